// SPDX-License-Identifier: Apache-2.0
// cluster pause, resume, reinit and restart; node maintenance.

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "controller/cli/action.h"
#include "controller/cli/events.h"
#include "controller/cli/verbs.h"
#include "controller/cli/wait.h"

namespace pgmahout::cli {
namespace {

absl::Status SetPause(bool paused, Session* session) {
  v1::PauseRequest request;
  request.set_name(session->options.name);
  request.set_paused(paused);
  request.set_dry_run(session->options.dry_run);
  PGM_ASSIGN_OR_RETURN(const v1::ActionResponse response,
                       session->Call(&AdminStub::SetPause, request));
  PrintAction(session->options.name, response, session);
  return absl::OkStatus();
}

const v1::MemberStatus* FindMember(const v1::ClusterStatus& status, const std::string& node) {
  for (const v1::MemberStatus& member : status.members()) {
    if (member.node() == node) {
      return &member;
    }
  }
  return nullptr;
}

// The work that a status shows is over; how it ended is in the events: the last one whose rule is
// `done` or ends in "-given-up".
absl::Status HowItEnded(absl::string_view done, absl::string_view given_up, Session* session) {
  PGM_ASSIGN_OR_RETURN(const std::vector<v1::Event> events, FetchEvents(false, session));
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (event->rule() == done) {
      return absl::OkStatus();
    }
    if (event->rule() == given_up) {
      return WithInfo(
          absl::AbortedError(absl::StrCat("given up: ", event->node())),
          ErrorInfo{"given-up", event->message(),
                    absl::StrCat("See pgmahout cluster events ", session->options.name)});
    }
  }
  return absl::OkStatus();
}

Verdict MaintenanceVerdict(const std::string& node, bool on) {
  return [node, on](const v1::ClusterStatus& status) -> std::optional<absl::Status> {
    const v1::MemberStatus* member = FindMember(status, node);
    if (member == nullptr) {
      return absl::NotFoundError(absl::StrCat("\"", node, "\" is no member any more"));
    }
    const bool is_moving = status.primary().empty() || status.phase() == "SwitchingOver" ||
                           status.phase() == "FailingOver";
    if (!on) {
      const bool serves = member->state() == "streaming" || status.primary() == node;
      return serves ? std::optional(absl::OkStatus()) : std::nullopt;
    }
    if (!is_moving && !member->maintenance()) {
      return WithHint(
          absl::AbortedError(absl::StrCat("given up: \"", node, "\" is still the primary of \"",
                                          status.name(), "\"")),
          absl::StrCat("See why: pgmahout cluster history ", status.name()));
    }
    const bool is_free = !is_moving && status.primary() != node && member->sync() != "leaving";
    return is_free ? std::optional(absl::OkStatus()) : std::nullopt;
  };
}

}  // namespace

absl::Status ClusterPause(Session* session) {
  return SetPause(true, session);
}

absl::Status ClusterResume(Session* session) {
  return SetPause(false, session);
}

absl::Status ClusterReinit(Session* session) {
  const Invocation& options = session->options;
  v1::ReinitRequest request;
  request.set_name(options.name);
  request.set_node(options.node);
  request.set_dry_run(options.dry_run);
  PGM_ASSIGN_OR_RETURN(const v1::ActionResponse response,
                       session->Call(&AdminStub::Reinit, request));
  PrintAction(options.name, response, session);
  if (options.dry_run || !options.wait) {
    return absl::OkStatus();
  }
  const auto is_over = [](const v1::ClusterStatus& status) {
    return status.reinit().empty() ? std::optional(absl::OkStatus()) : std::nullopt;
  };
  PGM_RETURN_IF_ERROR(WaitForCluster(options.name, is_over, session));
  return HowItEnded("reinit-done", "reinit-given-up", session);
}

absl::Status ClusterRestart(Session* session) {
  const Invocation& options = session->options;
  v1::RestartRequest request;
  request.set_name(options.name);
  request.set_node(options.node);
  request.set_force(options.force);
  request.set_in_place(options.in_place);
  request.set_dry_run(options.dry_run);
  PGM_ASSIGN_OR_RETURN(const v1::ActionResponse response,
                       session->Call(&AdminStub::Restart, request));
  PrintAction(options.name, response, session);
  if (options.dry_run || !options.wait) {
    return absl::OkStatus();
  }
  const auto is_over = [](const v1::ClusterStatus& status) {
    return status.restart().empty() ? std::optional(absl::OkStatus()) : std::nullopt;
  };
  PGM_RETURN_IF_ERROR(WaitForCluster(options.name, is_over, session));
  return HowItEnded("restart-over", "restart-given-up", session);
}

absl::Status NodeMaintenance(Session* session) {
  const Invocation& options = session->options;
  v1::MaintenanceRequest request;
  request.set_node(options.name);
  request.set_on(options.maintenance_on);
  request.set_dry_run(options.dry_run);
  PGM_ASSIGN_OR_RETURN(const v1::ActionResponse response,
                       session->Call(&AdminStub::SetMaintenance, request));
  PrintAction(response.cluster(), response, session);
  if (options.dry_run || !options.wait) {
    return absl::OkStatus();
  }
  return WaitForCluster(response.cluster(),
                        MaintenanceVerdict(options.name, options.maintenance_on), session);
}

}  // namespace pgmahout::cli
