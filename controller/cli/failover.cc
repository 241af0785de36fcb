// SPDX-License-Identifier: Apache-2.0
// cluster switchover and failover: another primary, planned or not.
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "controller/cli/action.h"
#include "controller/cli/output.h"
#include "controller/cli/verbs.h"
#include "controller/cli/wait.h"

namespace pgmahout::cli {
namespace {

bool IsMoving(const v1::ClusterStatus& status) {
  return status.phase() == "SwitchingOver" || status.phase() == "FailingOver" ||
         status.phase() == "NoPrimary";
}

// Over when a primary is writable at `epoch` or later; an error when it is another node than asked
// for, or when the cluster went back to its old primary.
Verdict NewPrimaryVerdict(const std::string& name, const std::string& target, uint64_t epoch) {
  auto has_moved = std::make_shared<bool>(false);
  return [=](const v1::ClusterStatus& status) -> std::optional<absl::Status> {
    if (IsMoving(status)) {
      *has_moved = true;
      return std::nullopt;
    }
    const bool is_settled =
        status.phase() == "Healthy" || status.phase() == "Degraded" || status.phase() == "Paused";
    if (!is_settled || status.primary().empty()) {
      return std::nullopt;
    }
    if (status.epoch() < epoch) {
      if (!*has_moved) {
        return std::nullopt;
      }
      return WithHint(absl::AbortedError(absl::StrCat("given up: \"", status.primary(),
                                                      "\" is still the primary of \"", name, "\"")),
                      absl::StrCat("See why: pgmahout cluster history ", name));
    }
    if (!target.empty() && status.primary() != target) {
      return WithHint(
          absl::AbortedError(absl::StrCat("the primary of \"", name, "\" is now \"",
                                          status.primary(), "\", not \"", target, "\"")),
          absl::StrCat("See why: pgmahout cluster history ", name));
    }
    return absl::OkStatus();
  };
}

absl::Status Finish(const v1::ActionResponse& response, Session* session) {
  const Invocation& options = session->options;
  PrintAction(options.name, response, session);
  if (options.dry_run || !options.wait) {
    return absl::OkStatus();
  }
  return WaitForCluster(options.name,
                        NewPrimaryVerdict(options.name, options.target, response.epoch()), session);
}

}  // namespace

absl::Status ClusterSwitchover(Session* session) {
  v1::SwitchoverRequest request;
  request.set_name(session->options.name);
  request.set_target(session->options.target);
  request.set_dry_run(session->options.dry_run);
  PGM_ASSIGN_OR_RETURN(const v1::ActionResponse response,
                       session->Call(&AdminStub::Switchover, request));
  return Finish(response, session);
}

absl::Status ClusterFailover(Session* session) {
  const Invocation& options = session->options;
  if (options.accept_data_loss && !options.dry_run) {
    PGM_RETURN_IF_ERROR(
        session->Confirm(absl::StrCat("promotes a standby of cluster \"", options.name,
                                      "\" that may lack acknowledged commits; they would be lost"),
                         options.name));
  }
  v1::FailoverRequest request;
  request.set_name(options.name);
  request.set_target(options.target);
  request.set_accept_data_loss(options.accept_data_loss);
  request.set_dry_run(options.dry_run);
  PGM_ASSIGN_OR_RETURN(const v1::ActionResponse response,
                       session->Call(&AdminStub::Failover, request));
  return Finish(response, session);
}

}  // namespace pgmahout::cli
