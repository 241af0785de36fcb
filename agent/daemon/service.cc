// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/service.h"

#include "absl/strings/str_cat.h"

namespace pgmahout::agent {
namespace {

absl::string_view NameOf(ServerRole role) {
  switch (role) {
    case ServerRole::kPrimary:
      return "primary";
    case ServerRole::kStandby:
      return "standby";
    case ServerRole::kUnknown:
      break;
  }
  return "member";
}

absl::string_view NameOf(ServerState state) {
  switch (state) {
    case ServerState::kAbsent:
      return "no data directory";
    case ServerState::kStopped:
      return "stopped";
    case ServerState::kStarting:
      return "starting";
    case ServerState::kRunning:
      return "running";
    case ServerState::kStopping:
      return "stopping";
    case ServerState::kHung:
      return "hung";
  }
  return "?";
}

}  // namespace

std::string StatusLine(const Snapshot& snapshot) {
  const Report& report = snapshot.report;
  std::string line = report.cluster.empty()
                         ? std::string("member of no cluster")
                         : absl::StrCat(NameOf(report.role), " of ", report.cluster, " at epoch ",
                                        report.epoch, ", ", NameOf(report.server));
  if (!snapshot.connected) {
    absl::StrAppend(&line, "; no connection to the controller");
  }
  if (!report.step.empty()) {
    absl::StrAppend(&line, "; step ", report.step);
  }
  if (!report.step_error.empty()) {
    absl::StrAppend(&line, ": ", report.step_error);
  }
  return line;
}

LogFields LogContext(const std::string& node, const Snapshot& snapshot) {
  LogFields context = {{"node", node}};
  if (!snapshot.report.cluster.empty()) {
    context.emplace_back("cluster", snapshot.report.cluster);
    context.emplace_back("epoch", absl::StrCat(snapshot.report.epoch));
  }
  return context;
}

}  // namespace pgmahout::agent
