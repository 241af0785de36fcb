// SPDX-License-Identifier: Apache-2.0
// Pause: the controller changes no roles and no data by itself. Leases go out, so that nothing is
// fenced; the quorum and the names follow who streams, as writes and readers depend on it.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/care.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {
namespace {

// What its agent would do for a member, if it were allowed to.
std::string RepairOf(const std::string& node, const Report& report) {
  if (!report.data_is_complete) {
    return absl::StrCat(node, " would be copied anew");
  }
  return IsDown(report) ? absl::StrCat("PostgreSQL on ", node, " would be started") : "";
}

void Resume(const Turn& turn) {
  turn.durable().paused = false;
  // Everything is looked at anew: nobody is silent or down since before.
  turn.state().started_at = turn.now;
  for (auto& [node, member] : turn.state().members) {
    if (member.down_since.has_value()) {
      member.down_since = turn.now;
    }
  }
  turn.Note("resumed", "", "a person ended the pause", true);
}

}  // namespace

absl::Status CheckPause(const ClusterState& state, const PauseRequested& request, BootTime now) {
  if (request.paused && state.durable.quarantined) {
    return RefuseInQuarantine(state, "pause", now);
  }
  if (request.paused && !state.durable.paused && state.durable.stage != Stage::kRunning) {
    return Refuse(state, "pause", {"a change of primary is under way, or there is none"},
                  "Wait until it is over: pgmahout watch " + state.durable.spec.name);
  }
  return absl::OkStatus();
}

void TakePause(const Turn& turn, const PauseRequested& event) {
  const absl::Status check = CheckPause(turn.state(), event, turn.now);
  if (!check.ok() || event.paused == turn.durable().paused) {
    return;
  }
  if (!event.paused) {
    Resume(turn);
    return;
  }
  turn.durable().paused = true;
  turn.Note("paused", "", "a person paused the cluster: nothing is repaired or moved", true);
  GiveUpReinit(turn, "reinit-given-up", "the cluster was paused");
  GiveUpRestart(turn, "restart-given-up", "the cluster was paused");
}

std::vector<std::string> HeldBackByPause(const ClusterState& state, BootTime now) {
  // The rules themselves tell: this is what they would do next.
  ClusterState resumed = state;
  resumed.durable.paused = false;
  std::vector<std::string> held_back;
  for (const Entry& entry : Advance(resumed, Tick{}, now).entries) {
    held_back.push_back(absl::StrCat(entry.rule, " of ", entry.node, ": ", entry.message));
  }
  for (const auto& [node, member] : state.members) {
    const bool is_left = node != state.durable.primary && member.report.has_value() &&
                         !InMaintenance(state.durable, node);
    if (const std::string repair = is_left ? RepairOf(node, *member.report) : ""; !repair.empty()) {
      held_back.push_back(repair);
    }
  }
  return held_back;
}

absl::Status RefuseWhilePaused(const ClusterState& state, absl::string_view verb) {
  return Refuse(state, verb, {"the cluster is paused"},
                "End the pause: pgmahout cluster resume " + state.durable.spec.name);
}

}  // namespace pgmahout::controller
