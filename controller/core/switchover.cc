// SPDX-License-Identifier: Apache-2.0
// Switchover: the primary is brought to a clean stop, and who has all of its WAL goes on.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/care.h"
#include "controller/core/eligibility.h"
#include "controller/core/failover.h"
#include "controller/core/promotion.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {
namespace {

// Its shutdown checkpoint is on disk: no session is left that could commit, and none can come back.
bool HasStoppedCleanly(const Turn& turn) {
  const MemberView& primary = Primary(turn);
  return primary.report.has_value() && primary.report->epoch >= turn.durable().epoch &&
         primary.report->clean_stop && primary.report->write_lsn.valid() &&
         (IsDown(*primary.report) || primary.report->server == ServerState::kStopping);
}

// Whoever has received more than the start of that checkpoint record has everything that was ever
// acknowledged, and needs no vote: the old primary cannot be heard by anybody any more.
std::vector<Candidate> CaughtUpStandbys(const Turn& turn) {
  const ClusterState& state = turn.state();
  std::vector<Candidate> candidates;
  for (const auto& [node, member] : state.members) {
    if (node == state.durable.primary || !WhyNotEligible(state, node, turn.now).empty() ||
        member.report->epoch > state.durable.epoch || member.report->role != ServerRole::kStandby ||
        member.report->timeline != Primary(turn).report->timeline ||
        member.report->receive_lsn <= Primary(turn).report->write_lsn) {
      continue;
    }
    candidates.push_back(Candidate{
        node, Ballot{state.durable.epoch, member.report->timeline, member.report->receive_lsn},
        PriorityOf(state.durable.spec, node)});
  }
  return candidates;
}

// The asked-for target, or the best; nothing while it is not there yet.
std::optional<Candidate> Successor(const Turn& turn) {
  const std::vector<Candidate> candidates = CaughtUpStandbys(turn);
  const std::string& target = turn.durable().target;
  if (target.empty()) {
    return BestOf(candidates);
  }
  for (const Candidate& candidate : candidates) {
    if (candidate.node == target) {
      return candidate;
    }
  }
  return std::nullopt;
}

bool SuccessorIsReady(const Turn& turn) {
  return InStage(turn, Stage::kStopping) && HasStoppedCleanly(turn) && Successor(turn).has_value();
}

// A restart of the primary where it is: nobody else is asked.
bool StoppedToStartAgain(const Turn& turn) {
  return InStage(turn, Stage::kStopping) && turn.durable().target == turn.durable().primary &&
         HasStoppedCleanly(turn) && IsDown(*Primary(turn).report);
}

void StartAgain(const Turn& turn, absl::string_view rule) {
  turn.durable().target.clear();
  turn.EnterStage(Stage::kPromoting);
  turn.Note(rule, turn.durable().primary, "stopped cleanly; it has every commit and starts again",
            true);
}

// If it does not stop as it should it is replaced like any other primary.
void ForgetRestartInPlace(const Turn& turn) {
  if (turn.durable().target == turn.durable().primary) {
    turn.durable().target.clear();
  }
}

// Standbys get a moment to tell how far they have come; then they are asked to vote.
bool CleanStopReached(const Turn& turn) {
  const MemberView& primary = Primary(turn);
  if (!InStage(turn, Stage::kStopping) || !primary.report.has_value() ||
      primary.report->epoch < turn.durable().epoch || !IsDown(*primary.report)) {
    return false;
  }
  return !HasStoppedCleanly(turn) || !primary.down_since.has_value() ||
         turn.now - *primary.down_since >= turn.timing.successor_patience;
}

void FenceStopped(const Turn& turn, absl::string_view rule) {
  ForgetRestartInPlace(turn);
  EnterFencing(turn);
  turn.Note(rule, turn.durable().primary,
            Primary(turn).report->clean_stop ? "stopped cleanly; standbys vote"
                                             : "stopped, but not cleanly; standbys vote",
            true);
}

bool CleanStopOverdue(const Turn& turn) {
  return InStage(turn, Stage::kStopping) && (turn.InStageFor() >= turn.timing.stop_timeout ||
                                             IsSilent(turn.state(), Primary(turn), turn.now));
}

void FenceOverdue(const Turn& turn, absl::string_view rule) {
  BeginEpoch(turn);
  turn.durable().planned = false;
  ForgetRestartInPlace(turn);
  EnterFencing(turn);
  turn.Note(rule, turn.durable().primary, "it did not stop in time; treated as lost", true);
}

void PromoteSuccessor(const Turn& turn, absl::string_view rule) {
  const Candidate chosen = *Successor(turn);
  std::set<std::string> others;
  for (const auto& [node, member] : turn.state().members) {
    if (Contains(turn.durable().quorum.standbys, node) && IsHeard(turn.state(), member, turn.now)) {
      others.insert(node);
    }
  }
  if (IsHeard(turn.state(), turn.state().witness, turn.now)) {
    others.insert(turn.spec().witness);
  }
  Promote(turn, chosen, others);
  ForgetOldQuorums(turn);
  turn.Note(rule, chosen.node,
            absl::StrCat("chosen at timeline ", chosen.ballot.timeline, ", LSN ",
                         FormatLsn(chosen.ballot.lsn), ": it has all WAL of the clean stop"),
            true);
}

}  // namespace

void BeginSwitchover(const Turn& turn, const std::string& target, absl::string_view purpose) {
  Durable& durable = turn.durable();
  BeginEpoch(turn);
  durable.planned = true;
  durable.target = target;
  turn.EnterStage(Stage::kStopping);
  const std::string where = target.empty()              ? "to the best standby"
                            : target == durable.primary ? "stops to start again where it is"
                                                        : absl::StrCat("to ", target);
  turn.Note("switchover-requested", durable.primary,
            absl::StrCat(where, purpose.empty() ? "" : ", ", purpose), true);
}

const std::vector<Rule>& SwitchoverRules() {
  static const std::vector<Rule> rules = {
      {"start-again-in-place", StoppedToStartAgain, StartAgain},
      {"promote-successor", SuccessorIsReady, PromoteSuccessor},
      {"clean-stop-reached", CleanStopReached, FenceStopped},
      {"clean-stop-overdue", CleanStopOverdue, FenceOverdue},
  };
  return rules;
}

}  // namespace pgmahout::controller
