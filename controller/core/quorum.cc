// SPDX-License-Identifier: Apache-2.0
#include "controller/core/quorum.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "controller/core/turn.h"
#include "controller/core/witness.h"

namespace pgmahout::controller {
namespace {

bool IsAsynchronous(const ClusterSpec& spec) {
  return spec.synchronous.durability == DataDurability::kOff || spec.nodes.size() < 2;
}

// How many of `standbys` shall confirm a commit.
uint32_t NumberFor(const ClusterSpec& spec, size_t standbys) {
  return IsAsynchronous(spec)
             ? 0
             : std::min<uint32_t>(spec.synchronous.number, static_cast<uint32_t>(standbys));
}

size_t CountIn(const std::vector<std::string>& nodes, const std::set<std::string>& voters) {
  return static_cast<size_t>(std::count_if(
      nodes.begin(), nodes.end(), [&voters](const auto& node) { return voters.count(node) > 0; }));
}

std::string Describe(const Quorum& quorum) {
  if (quorum.standbys.empty()) {
    return "nobody";
  }
  return absl::StrCat(quorum.number == 0 ? "nobody (asynchronous)"
                                         : absl::StrCat("any ", quorum.number, " of ",
                                                        absl::StrJoin(quorum.standbys, ", ")),
                      quorum.witness.empty() ? "" : ", witness ", quorum.witness);
}

bool PrimaryConfirmsQuorum(const ClusterState& state, BootTime now) {
  const Report* report = PrimaryReport(state, now);
  return report != nullptr && report->quorum_in_effect == state.durable.quorum;
}

size_t FlushedBeyond(const Report& primary, const Quorum& quorum, Lsn barrier) {
  size_t count = 0;
  for (const Attached& standby : primary.attached) {
    if (standby.streaming && standby.flush_lsn >= barrier &&
        Contains(quorum.standbys, standby.node)) {
      ++count;
    }
  }
  return count;
}

bool BarrierIsMissing(const Turn& turn) {
  return turn.durable().stage == Stage::kRunning && IsUnconfirmed(turn.durable()) &&
         !turn.state().quorum_barrier.has_value() && PrimaryConfirmsQuorum(turn.state(), turn.now);
}

void SetBarrier(const Turn& turn, absl::string_view /*rule*/) {
  turn.state().quorum_barrier = PrimaryReport(turn.state(), turn.now)->write_lsn;
}

bool IsAsynchronousByChoice(const Quorum& quorum) {
  return quorum.number == 0 && !quorum.standbys.empty();
}

// How many of the present quorum must have what was written before. An asynchronous one asks for
// nothing itself; but as any of its standbys may be promoted, all of them must have what was
// promised before.
size_t ConfirmationsNeeded(const Durable& durable) {
  return IsAsynchronousByChoice(durable.quorum) ? durable.quorum.standbys.size()
                                                : durable.quorum.number;
}

// The older quorums govern nothing any more once every WAL byte written while they might have been
// in effect is on enough members of the present one.
bool QuorumIsConfirmed(const Turn& turn) {
  const ClusterState& state = turn.state();
  if (state.durable.stage != Stage::kRunning || !IsUnconfirmed(state.durable) ||
      !state.quorum_barrier.has_value() || !PrimaryConfirmsQuorum(state, turn.now)) {
    return false;
  }
  const Report& report = *PrimaryReport(state, turn.now);
  return FlushedBeyond(report, state.durable.quorum, *state.quorum_barrier) >=
         ConfirmationsNeeded(state.durable);
}

void ConfirmQuorum(const Turn& turn, absl::string_view rule) {
  turn.durable().older.clear();
  turn.durable().sole_copy = false;
  turn.durable().confirmed_epoch = turn.durable().epoch;
  turn.state().quorum_barrier.reset();
  turn.Note(rule, turn.durable().primary,
            absl::StrCat("commits are confirmed by ", Describe(turn.durable().quorum)));
}

// Going back to a quorum that may still be in effect waits until the present one was seen in
// effect: else a report from before both orders would be taken for the confirmation.
bool WouldBeConfirmedTooEarly(const ClusterState& state, const Quorum& target) {
  const std::vector<Quorum>& older = state.durable.older;
  return !state.quorum_barrier.has_value() &&
         std::find(older.begin(), older.end(), target) != older.end();
}

bool QuorumShouldChange(const Turn& turn) {
  if (turn.durable().stage != Stage::kRunning || PrimaryReport(turn.state(), turn.now) == nullptr) {
    return false;
  }
  const Quorum target = TargetQuorum(turn.state(), turn.now, turn.timing);
  return target != turn.durable().quorum && !WouldBeConfirmedTooEarly(turn.state(), target);
}

void ChangeQuorum(const Turn& turn, absl::string_view rule) {
  Quorum target = TargetQuorum(turn.state(), turn.now, turn.timing);
  turn.Note(rule, turn.durable().primary,
            absl::StrCat("commits shall be confirmed by ", Describe(target), " instead of ",
                         Describe(turn.durable().quorum)));
  OrderQuorum(turn.state(), std::move(target));
}

}  // namespace

const Report* PrimaryReport(const ClusterState& state, BootTime now) {
  const MemberView& primary = PrimaryOf(state);
  if (!IsHeard(state, primary, now)) {
    return nullptr;
  }
  const Report& report = *primary.report;
  return report.role == ServerRole::kPrimary && report.writable_epoch == state.durable.epoch
             ? &report
             : nullptr;
}

bool NobodyIsAlone(const std::set<std::string>& voters, const Quorum& quorum) {
  return quorum.witness.empty() || voters.count(quorum.witness) > 0;
}

bool Covers(const std::set<std::string>& voters, const Quorum& quorum) {
  if (quorum.number == 0 || !NobodyIsAlone(voters, quorum)) {
    return false;
  }
  const size_t present = CountIn(quorum.standbys, voters);
  return present + quorum.number > quorum.standbys.size();
}

bool LeaveTooFewWitnesses(const std::set<std::string>& voters, const Quorum& quorum) {
  const size_t needed = WitnessesNeeded(quorum);
  return needed > 0 && NobodyIsAlone(voters, quorum) &&
         quorum.standbys.size() - CountIn(quorum.standbys, voters) < needed;
}

bool LeaveTooFewWitnesses(const std::set<std::string>& voters, const Durable& durable) {
  return LeaveTooFewWitnesses(voters, durable.quorum) &&
         std::all_of(durable.older.begin(), durable.older.end(), [&voters](const Quorum& older) {
           return LeaveTooFewWitnesses(voters, older);
         });
}

bool IsUnconfirmed(const Durable& durable) {
  return !durable.older.empty() || durable.sole_copy;
}

bool IsInAnyQuorum(const Durable& durable, const std::string& node) {
  return Contains(durable.quorum.standbys, node) ||
         std::any_of(durable.older.begin(), durable.older.end(),
                     [&node](const Quorum& older) { return Contains(older.standbys, node); });
}

bool VoteCounts(const Durable& durable, const std::string& node) {
  return !InMaintenance(durable, node) || IsInAnyQuorum(durable, node);
}

std::string WhyQuorumNeeds(const ClusterState& state, const std::string& node) {
  const Durable& durable = state.durable;
  const SynchronousSpec& wanted = durable.spec.synchronous;
  const bool hands_over = node == durable.primary;
  if (wanted.durability != DataDurability::kRequired ||
      !(hands_over || Contains(durable.quorum.standbys, node))) {
    return "";
  }
  const auto standbys =
      std::count_if(state.members.begin(), state.members.end(), [&](const auto& member) {
        return member.first != node && member.second.attached && MayConfirm(durable, member.first);
      });
  const auto others = std::max<int64_t>(standbys - (hands_over ? 1 : 0), 0);
  return others >= int64_t{wanted.number}
             ? ""
             : absl::StrCat("synchronous.dataDurability is required, and without ", node, " only ",
                            others, " of ", wanted.number,
                            " standbys could confirm commits; writes would wait");
}

bool KeepPromises(const std::set<std::string>& voters, const Durable& durable) {
  const auto is_kept = [&voters](const Quorum& quorum) {
    return IsAsynchronousByChoice(quorum)
               ? NobodyIsAlone(voters, quorum) && CountIn(quorum.standbys, voters) > 0
               : Covers(voters, quorum);
  };
  return !durable.sole_copy && is_kept(durable.quorum) &&
         std::all_of(durable.older.begin(), durable.older.end(), is_kept);
}

bool CoversAll(const std::set<std::string>& voters, const Durable& durable) {
  return !durable.sole_copy && Covers(voters, durable.quorum) &&
         std::all_of(durable.older.begin(), durable.older.end(),
                     [&voters](const Quorum& older) { return Covers(voters, older); });
}

Quorum QuorumForNewPrimary(const Durable& durable,
                           const std::string& primary,
                           const std::set<std::string>& voters) {
  const SynchronousSpec& wanted = durable.spec.synchronous;
  Quorum quorum;
  for (const std::string& node : voters) {
    if (node != primary && Contains(durable.spec.nodes, node) && MayConfirm(durable, node)) {
      quorum.standbys.push_back(node);
    }
  }
  const bool too_few =
      wanted.durability == DataDurability::kRequired && quorum.standbys.size() < wanted.number;
  if (quorum.standbys.empty() || too_few) {
    quorum.standbys.clear();
    for (const std::string& node : durable.spec.nodes) {
      if (node != primary) {
        quorum.standbys.push_back(node);
      }
    }
    std::sort(quorum.standbys.begin(), quorum.standbys.end());
  }
  quorum.number = NumberFor(durable.spec, quorum.standbys.size());
  if (voters.count(durable.spec.witness) > 0 && MayHaveWitness(durable.spec, quorum)) {
    quorum.witness = durable.spec.witness;
  }
  return quorum;
}

Quorum FutureQuorum(const Durable& durable, const std::string& node) {
  std::set<std::string> others(durable.quorum.standbys.begin(), durable.quorum.standbys.end());
  others.erase(node);
  others.erase(durable.primary);
  return QuorumForNewPrimary(durable, node, others);
}

Quorum TargetQuorum(const ClusterState& state, BootTime now, const Timing& timing) {
  const Durable& durable = state.durable;
  const Quorum& present = durable.quorum;
  uint32_t streaming = 0;
  for (const auto& [node, member] : state.members) {
    if (member.attached && Contains(present.standbys, node)) {
      ++streaming;
    }
  }
  const bool blocked = streaming < WitnessesNeeded(present);
  const Duration gone_after = blocked ? timing.blocked_after : timing.standby_gone_after;

  Quorum target;
  for (const auto& [node, member] : state.members) {
    if (node == durable.primary || !MayConfirm(durable, node)) {
      continue;
    }
    const bool lately_gone =
        Contains(present.standbys, node) &&
        (!member.not_streaming_since.has_value() || now - *member.not_streaming_since < gone_after);
    if (member.attached || lately_gone) {
      target.standbys.push_back(node);
    }
  }
  target.number = NumberFor(durable.spec, target.standbys.size());
  if (WitnessIsThere(state, now, timing) && MayHaveWitness(durable.spec, target)) {
    target.witness = durable.spec.witness;
  }
  const bool fewer = target.number < durable.spec.synchronous.number;
  if (fewer && durable.spec.synchronous.durability == DataDurability::kRequired &&
      target.number < present.number) {
    // `required` waits rather than acknowledge a commit that is on fewer machines.
    target = present;
    target.witness.clear();
  }
  return target;
}

void OrderQuorum(ClusterState& state, Quorum quorum) {
  Durable& durable = state.durable;
  PGM_CHECK(quorum.number <= quorum.standbys.size());
  if (std::find(durable.older.begin(), durable.older.end(), durable.quorum) ==
      durable.older.end()) {
    durable.older.push_back(durable.quorum);
  }
  durable.quorum = std::move(quorum);
  state.quorum_barrier.reset();
}

const std::vector<Rule>& QuorumRules() {
  static const std::vector<Rule> rules = {
      {"set-quorum-barrier", BarrierIsMissing, SetBarrier},
      {"confirm-quorum", QuorumIsConfirmed, ConfirmQuorum},
      {"change-quorum", QuorumShouldChange, ChangeQuorum},
  };
  return rules;
}

}  // namespace pgmahout::controller
