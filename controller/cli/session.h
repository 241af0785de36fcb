// SPDX-License-Identifier: Apache-2.0
// Session: what one verb works with: its arguments, the terminal, and the controller.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "controller/cli/cli.h"
#include "controller/cli/invocation.h"

namespace pgmahout::cli {

// The Status of a finished call, with the detail, hint and reason that travelled beside it.
absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& context);

// `context` gets a deadline of `timeout` from now.
void SetDeadline(Duration timeout, grpc::ClientContext* context);

struct Session {
  const Invocation& options;
  const Streams& streams;
  const StubFactory& factory;
  std::unique_ptr<AdminStub> connected;  // use Controller()

  // The controller, connected on first use. Lives as long as the session.
  absl::StatusOr<AdminStub*> Controller();

  // One call of `method`, for example &AdminStub::GetCluster. A call that changes something and got
  // no answer in time is DeadlineExceeded: its outcome is unknown.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (AdminStub::*method)(grpc::ClientContext*,
                                                                  const Request&,
                                                                  Response*),
                                const Request& request) {
    PGM_ASSIGN_OR_RETURN(AdminStub * stub, Controller());
    grpc::ClientContext context;
    SetDeadline(CallTimeout(), &context);
    Response response;
    PGM_RETURN_IF_ERROR(FromGrpc((stub->*method)(&context, request, &response), context));
    return response;
  }

  // The same for calls that only read: no answer in time means that nobody is there.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Read(grpc::Status (AdminStub::*method)(grpc::ClientContext*,
                                                                  const Request&,
                                                                  Response*),
                                const Request& request) {
    absl::StatusOr<Response> response = Call(method, request);
    if (response.status().code() == absl::StatusCode::kDeadlineExceeded) {
      return absl::UnavailableError("the controller does not answer");
    }
    return response;
  }

  // OK when the person typed `name` or said --yes; else a DeclinedError. `what` completes "This
  // ...": "deletes cluster orders".
  absl::Status Confirm(const std::string& what, const std::string& name);

  // How long a single call may take: --timeout, but at most 30 s.
  Duration CallTimeout() const;
};

}  // namespace pgmahout::cli
