// SPDX-License-Identifier: Apache-2.0
// Maintenance: a person works on a member. It leaves the quorum by the same durable steps as a lost
// one; its server may be stopped and is not started again. A primary is replaced first.
#include "absl/strings/str_cat.h"
#include "controller/core/care.h"
#include "controller/core/quorum.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {
namespace {

// The switchover away from it was not possible after all.
bool PrimaryIsInMaintenance(const Turn& turn) {
  return InStage(turn, Stage::kRunning) && InMaintenance(turn.durable(), turn.durable().primary);
}

void EndMaintenanceOfPrimary(const Turn& turn, absl::string_view rule) {
  turn.durable().maintenance.erase(turn.durable().primary);
  turn.Note(rule, turn.durable().primary, "no other member could take over; it stays the primary",
            true);
}

absl::Status CheckBegin(const ClusterState& state, const std::string& node, BootTime now) {
  const Durable& durable = state.durable;
  const std::string verb = absl::StrCat("put ", node, " into maintenance in");
  if (durable.quarantined) {
    return RefuseInQuarantine(state, verb, now);
  }
  const std::string show = "See pgmahout cluster show " + durable.spec.name;
  if (FindMember(state, node) == nullptr) {
    return Refuse(state, verb, {absl::StrCat(node, " is no member")}, show);
  }
  if (InMaintenance(durable, node)) {
    return absl::OkStatus();
  }
  if (durable.stage != Stage::kRunning) {
    return Refuse(state, verb, {"a change of primary is under way, or there is none"},
                  "Wait until it is over: pgmahout watch " + durable.spec.name);
  }
  if (durable.reinit.node == node) {
    return Refuse(state, verb, {absl::StrCat(node, " is being copied anew")},
                  "Wait until it streams: pgmahout watch " + durable.spec.name);
  }
  if (const std::string why = WhyQuorumNeeds(state, node); !why.empty()) {
    return Refuse(state, verb, {why}, "Let another standby stream first. " + show);
  }
  return node == durable.primary ? CheckSwitchover(state, "", now) : absl::OkStatus();
}

}  // namespace

absl::Status CheckMaintenance(const ClusterState& state,
                              const MaintenanceRequested& request,
                              BootTime now) {
  return request.on ? CheckBegin(state, request.node, now) : absl::OkStatus();
}

void TakeMaintenance(const Turn& turn, const MaintenanceRequested& event) {
  const absl::Status check = CheckMaintenance(turn.state(), event, turn.now);
  if (!check.ok() || event.on == InMaintenance(turn.durable(), event.node)) {
    return;
  }
  if (!event.on) {
    turn.durable().maintenance.erase(event.node);
    turn.Note("maintenance-ended", event.node, "it takes part again", true);
    return;
  }
  turn.durable().maintenance.insert(event.node);
  turn.Note("maintenance-began", event.node, "a person works on it; it leaves the quorum", true);
  if (event.node == turn.durable().primary) {
    BeginSwitchover(turn, "", "as a person works on it");
  }
}

const std::vector<Rule>& MaintenanceRules() {
  static const std::vector<Rule> rules = {
      {"maintenance-given-up", PrimaryIsInMaintenance, EndMaintenanceOfPrimary},
  };
  return rules;
}

}  // namespace pgmahout::controller
