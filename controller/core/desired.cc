// SPDX-License-Identifier: Apache-2.0
// DesiredFor: one node's desired state, derived from the cluster's state and nothing else.
#include "controller/core/quorum.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {
namespace {

Assignment FirstAssignment(const Durable& durable) {
  return durable.adopted ? Assignment::kAdopt : Assignment::kBootstrap;
}

Assignment AssignmentFor(const Durable& durable, bool is_primary) {
  switch (durable.stage) {  // cannot happen: a value without a case, which -Wswitch refuses
    case Stage::kCreating:
      return is_primary ? FirstAssignment(durable) : Assignment::kNone;
    case Stage::kRunning:
    case Stage::kPromoting:
      return is_primary ? Assignment::kPrimary : Assignment::kStandby;
    case Stage::kStopping:
      return is_primary ? Assignment::kStop : Assignment::kStandby;
    case Stage::kFencing:
      break;
  }
  return is_primary ? Assignment::kStop : Assignment::kPrepare;
}

}  // namespace

namespace {

// It holds no data, so it needs to know where the primary is and who else is there, and the epoch.
void BeWitness(const ClusterState& state, DesiredState* desired) {
  desired->assignment =
      state.durable.stage == Stage::kCreating ? Assignment::kNone : Assignment::kWitness;
  desired->quorum = Quorum{};
  desired->upstream = state.durable.primary;
}

// A change of primary that a person asked for during a pause is carried to its end. A primary is
// never in maintenance for longer than it takes to replace it.
bool HandsOff(const Durable& durable, const std::string& node) {
  return (durable.paused && durable.stage == Stage::kRunning && node != durable.spec.witness) ||
         (InMaintenance(durable, node) && node != durable.primary);
}

void GiveSingleUseOrders(const Durable& durable, const std::string& node, DesiredState& desired) {
  if (desired.assignment != Assignment::kStandby || durable.stage != Stage::kRunning) {
    return;
  }
  const Reinit& reinit = durable.reinit;
  if (reinit.node == node && reinit.is_ordered && reinit.epoch == durable.epoch) {
    desired.rebuild_directory = reinit.directory;
  }
  const Restart& restart = durable.restart;
  if (!restart.nodes.empty() && restart.nodes.front() == node && restart.epoch == durable.epoch) {
    desired.restart_server = restart.server;
  }
}

}  // namespace

DesiredState DesiredFor(const ClusterState& state, const std::string& node) {
  const Durable& durable = state.durable;
  const bool is_primary = node == durable.primary;
  DesiredState desired;
  desired.cluster = durable.spec.name;
  desired.tenant = durable.spec.tenant;
  desired.epoch = durable.epoch;
  desired.system_identifier = durable.system_identifier;
  desired.assignment = AssignmentFor(durable, is_primary);
  desired.quorum = is_primary ? durable.quorum : FutureQuorum(durable, node);
  desired.spec = durable.spec;
  desired.clean_stop = durable.stage == Stage::kStopping;
  desired.hands_off = HandsOff(durable, node);
  if (desired.assignment == Assignment::kPrimary) {
    desired.new_timeline = static_cast<uint32_t>(durable.epoch) + durable.timelines_ahead;
  }
  desired.adopt = durable.adopted;
  if (desired.assignment == Assignment::kStandby) {
    desired.upstream = durable.primary;
    // Only a confirmed primary is worth giving up data for (I7).
    desired.may_rebuild = durable.stage == Stage::kRunning && !desired.hands_off;
    if (durable.stage == Stage::kRunning) {
      desired.upstream_timeline = durable.timeline;
      desired.parent_timeline = durable.parent_timeline;
      desired.fork_lsn = durable.fork_lsn;
    }
  }
  desired.former_primary_votes = desired.assignment == Assignment::kPrepare &&
                                 durable.accept_data_loss && node == durable.target;
  GiveSingleUseOrders(durable, node, desired);
  if (!durable.spec.witness.empty()) {
    desired.witness = Member{durable.spec.witness, state.witness.address, 0};
  }
  if (node == durable.spec.witness) {
    BeWitness(state, &desired);
  }
  for (const auto& [name, member] : state.members) {
    desired.members.push_back(Member{name, member.address, durable.spec.port});
  }
  return desired;
}

}  // namespace pgmahout::controller
