// SPDX-License-Identifier: Apache-2.0
// Reinit: a standby gets a new base backup. It leaves every quorum first, so that no commit rests
// on what it gives up (I7); then its agent gets one order, which names the directory it replaces.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/care.h"
#include "controller/core/quorum.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {
namespace {

bool IsAskedFor(const Turn& turn) {
  return !turn.durable().reinit.node.empty();
}

// The order is for one epoch only: after a change of primary a person looks again.
bool ReinitIsObsolete(const Turn& turn) {
  return IsAskedFor(turn) && (turn.durable().reinit.epoch != turn.durable().epoch ||
                              FindMember(turn.state(), turn.durable().reinit.node) == nullptr);
}

void DropReinit(const Turn& turn, absl::string_view rule) {
  GiveUpReinit(turn, rule, "the primary or the members changed; ask again if it is still wanted");
}

bool ReinitMayBegin(const Turn& turn) {
  const Reinit& reinit = turn.durable().reinit;
  // A change of primary has ended it before.
  return IsAskedFor(turn) && !reinit.is_ordered && !IsInAnyQuorum(turn.durable(), reinit.node) &&
         IsHeard(turn.state(), Primary(turn), turn.now) &&
         Primary(turn).report->writable_epoch == turn.durable().epoch;
}

void OrderReinit(const Turn& turn, absl::string_view rule) {
  Reinit& reinit = turn.durable().reinit;
  reinit.is_ordered = true;
  turn.Note(rule, reinit.node,
            absl::StrCat("no commit rests on it; a new base backup from ", turn.durable().primary,
                         " replaces pgdata.", reinit.directory));
}

bool ReinitIsDone(const Turn& turn) {
  if (!IsAskedFor(turn) || !turn.durable().reinit.is_ordered) {
    return false;
  }
  const MemberView* member = FindMember(turn.state(), turn.durable().reinit.node);
  return member->report.has_value() &&
         member->report->data_number > turn.durable().reinit.directory && member->attached;
}

void EndReinit(const Turn& turn, absl::string_view rule) {
  const std::string node = turn.durable().reinit.node;
  turn.Note(rule, node,
            absl::StrCat("the new copy, pgdata.", turn.state().members.at(node).report->data_number,
                         ", streams"),
            true);
  turn.durable().reinit = Reinit{};
}

// What forbids to give up the copy on `node`, whoever asks; empty: nothing.
std::string WhyNotGiveUp(const ClusterState& state, const std::string& node, BootTime now) {
  const MemberView& member = state.members.at(node);
  if (!IsHeard(state, member, now)) {
    return absl::StrCat("the agent of ", node, " is not heard");
  }
  if (!member.doubt.empty()) {
    return absl::StrCat("what ", node, " reports is not believed: ", member.doubt);
  }
  const MemberView& primary = PrimaryOf(state);
  if (!IsHeard(state, primary, now) || primary.report->server != ServerState::kRunning ||
      primary.report->writable_epoch != state.durable.epoch) {
    return absl::StrCat("the primary ", state.durable.primary, " is not heard or does not run");
  }
  const Report& report = *member.report;
  if (report.data_number == 0) {
    return absl::StrCat(node, " has no data directory yet; it is copied anyway");
  }
  const Lsn reached = std::max({report.write_lsn, report.receive_lsn, report.replay_lsn});
  // Who streams has it from the primary, and is ahead of its last report all the time.
  const bool is_ahead = !member.attached && reached > primary.report->write_lsn;
  if (report.timeline > state.durable.timeline || is_ahead) {
    return absl::StrCat(node, " may hold the most advanced copy: timeline ", report.timeline, ", ",
                        FormatLsn(reached), "; the primary is at timeline ", state.durable.timeline,
                        ", ", FormatLsn(primary.report->write_lsn));
  }
  return WhyQuorumNeeds(state, node);
}

std::string WhyNotReinit(const ClusterState& state, const std::string& node, BootTime now) {
  const Durable& durable = state.durable;
  if (durable.stage != Stage::kRunning) {
    return "a change of primary is under way, or there is none";
  }
  if (FindMember(state, node) == nullptr) {
    return absl::StrCat(node, " is no member");
  }
  if (node == durable.primary) {
    return absl::StrCat(node, " is the primary; switch over first");
  }
  if (InMaintenance(durable, node)) {
    return absl::StrCat(node, " is in maintenance");
  }
  if (!durable.reinit.node.empty()) {
    return absl::StrCat(durable.reinit.node, " is being copied anew already");
  }
  if (!durable.restart.nodes.empty()) {
    return "a rolling restart is under way";
  }
  return WhyNotGiveUp(state, node, now);
}

}  // namespace

absl::Status CheckReinit(const ClusterState& state, const ReinitRequested& request, BootTime now) {
  const std::string verb = absl::StrCat("copy ", request.node, " anew in");
  if (state.durable.quarantined) {
    return RefuseInQuarantine(state, verb, now);
  }
  if (state.durable.paused) {
    return RefuseWhilePaused(state, verb);
  }
  const std::string why = WhyNotReinit(state, request.node, now);
  return why.empty()
             ? absl::OkStatus()
             : Refuse(state, verb, {why}, "See pgmahout cluster show " + state.durable.spec.name);
}

void TakeReinit(const Turn& turn, const ReinitRequested& event) {
  if (!CheckReinit(turn.state(), event, turn.now).ok()) {
    return;
  }
  const uint64_t directory = turn.state().members.at(event.node).report->data_number;
  turn.durable().reinit = Reinit{event.node, directory, turn.durable().epoch, false};
  turn.Note("reinit-requested", event.node, "a new base backup; it leaves the quorum first", true);
}

void GiveUpReinit(const Turn& turn, absl::string_view rule, absl::string_view why) {
  if (IsAskedFor(turn)) {
    turn.Note(rule, turn.durable().reinit.node, why, true);
    turn.durable().reinit = Reinit{};
  }
}

const std::vector<Rule>& ReinitRules() {
  static const std::vector<Rule> rules = {
      {"reinit-given-up", ReinitIsObsolete, DropReinit},
      {"reinit-ordered", ReinitMayBegin, OrderReinit},
      {"reinit-done", ReinitIsDone, EndReinit},
  };
  return rules;
}

}  // namespace pgmahout::controller
