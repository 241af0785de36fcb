// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/session.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "controller/cli/exit_code.h"

namespace pgmahout::cli {
namespace {

constexpr Duration kCallTimeoutMax{30'000};
constexpr char kErrorInfoKey[] = "pgmahout-error-bin";

}  // namespace

absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& context) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  const absl::Status plain(static_cast<absl::StatusCode>(status.error_code()),
                           status.error_message());
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto info = metadata.find(kErrorInfoKey);
  if (info != metadata.end()) {
    return DecodeInfo(plain, {info->second.data(), info->second.size()});
  }
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return WithInfo(absl::UnavailableError("lost the connection to the controller"),
                    ErrorInfo{"unreachable", status.error_message(),
                              "See whether pgmahout-controller runs, then try again."});
  }
  return plain;
}

void SetDeadline(Duration timeout, grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + timeout);
}

absl::StatusOr<AdminStub*> Session::Controller() {
  if (connected == nullptr) {
    PGM_ASSIGN_OR_RETURN(connected, factory(options));
  }
  return connected.get();
}

absl::Status Session::Confirm(const std::string& what, const std::string& name) {
  if (options.yes) {
    return absl::OkStatus();
  }
  if (!streams.is_terminal) {
    return DeclinedError(absl::StrCat("not confirmed: this ", what),
                         "Add --yes to confirm it on the command line.");
  }
  streams.err << "This " << what << ".\nType the name \"" << name << "\" to go on: " << std::flush;
  std::string answer;
  std::getline(streams.in, answer);
  if (absl::StripAsciiWhitespace(answer) != name) {
    return DeclinedError("not confirmed; nothing was changed", "");
  }
  return absl::OkStatus();
}

Duration Session::CallTimeout() const {
  return std::min(options.timeout, kCallTimeoutMax);
}

}  // namespace pgmahout::cli
