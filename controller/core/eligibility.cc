// SPDX-License-Identifier: Apache-2.0
#include "controller/core/eligibility.h"

#include "controller/core/turn.h"

namespace pgmahout::controller {

std::string WhyNotEligible(const ClusterState& state, const std::string& node, BootTime now) {
  if (node == state.durable.primary) {
    return "";
  }
  const MemberView* member = FindMember(state, node);
  if (member == nullptr) {
    return "it is no member";
  }
  if (PriorityOf(state.durable.spec, node) == 0) {
    return "failover.priority is 0";
  }
  if (InMaintenance(state.durable, node)) {
    return "it is in maintenance";
  }
  if (!IsHeard(state, *member, now)) {
    return "its agent is not heard";
  }
  if (!member->doubt.empty()) {
    return member->doubt;
  }
  const Report& report = *member->report;
  if (!report.data_is_complete) {
    return "its data directory is not complete";
  }
  if (report.system_identifier != state.durable.system_identifier) {
    return "its data belongs to another system identifier";
  }
  if (!report.illness.empty()) {
    return report.illness;
  }
  if (report.server != ServerState::kRunning) {
    return "its server does not run";
  }
  if (report.replay_paused) {
    return "its WAL replay is paused";
  }
  return "";
}

}  // namespace pgmahout::controller
