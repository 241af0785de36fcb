// SPDX-License-Identifier: Apache-2.0
#include "controller/core/failover.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "controller/core/promotion.h"
#include "controller/core/turn.h"
#include "controller/core/witness.h"

namespace pgmahout::controller {
namespace {

bool SaysItIsDown(const ClusterState& state) {
  const MemberView& old = PrimaryOf(state);
  return old.report.has_value() && old.report->epoch >= state.durable.epoch && IsDown(*old.report);
}

// ---- Suspecting the primary (stage kRunning) ----

bool MayFailOver(const Turn& turn) {
  return InStage(turn, Stage::kRunning) && turn.spec().failover.automatic && !turn.durable().paused;
}

// With onCrash: restart the agent tries first, and gets time for it.
Duration PatienceWithPrimary(const Turn& turn) {
  const FailoverSpec& failover = turn.spec().failover;
  return failover.restart_on_crash ? failover.detect_after * 3 : failover.detect_after;
}

bool PrimaryReportsDown(const Turn& turn) {
  const MemberView& primary = Primary(turn);
  if (!MayFailOver(turn) || !IsHeard(turn.state(), primary, turn.now) ||
      !primary.down_since.has_value() || !IsDown(*primary.report)) {
    return false;
  }
  return !turn.spec().failover.restart_on_crash ||
         turn.now - *primary.down_since >= PatienceWithPrimary(turn);
}

bool PrimaryReportsHung(const Turn& turn) {
  const MemberView& primary = Primary(turn);
  return MayFailOver(turn) && IsHeard(turn.state(), primary, turn.now) &&
         !IsDown(*primary.report) && primary.down_since.has_value() &&
         turn.now - *primary.down_since >= PatienceWithPrimary(turn);
}

// A lost stream tells more than silence does: the machine still answers, the agent does not. But a
// stream is also lost when the controller or the network was away for a moment, and then the agent
// dials again.
bool HasGone(const Turn& turn, const MemberView& member) {
  return member.gone_since.has_value() &&
         turn.now - *member.gone_since >= turn.timing.redial_patience;
}

// Silence alone proves little: every standby that can be heard must have lost it too, and there
// must be one. A standby that still streams vetoes.
bool PrimaryIsSilent(const Turn& turn) {
  const ClusterState& state = turn.state();
  const MemberView& primary = Primary(turn);
  if (!MayFailOver(turn) || !(IsSilent(state, primary, turn.now) || HasGone(turn, primary)) ||
      turn.now - state.started_at < turn.spec().failover.detect_after) {
    return false;
  }
  size_t heard = 0;
  for (const auto& [node, member] : state.members) {
    if (node == turn.durable().primary || !IsHeard(state, member, turn.now) ||
        !member.doubt.empty()) {
      continue;
    }
    if (member.report->receiver_streaming) {
      return false;
    }
    // A person may have stopped it: that it receives nothing is no evidence.
    heard += InMaintenance(turn.durable(), node) ? 0 : 1;
  }
  return heard > 0;
}

void BeginFencing(const Turn& turn, absl::string_view rule, absl::string_view evidence) {
  BeginEpoch(turn);
  EnterFencing(turn);
  turn.Note(rule, turn.durable().primary, evidence, true);
}

void FenceDown(const Turn& turn, absl::string_view rule) {
  BeginFencing(turn, rule, "its agent says PostgreSQL is down; no more leases, standbys vote");
}

void FenceHung(const Turn& turn, absl::string_view rule) {
  const std::string& illness = Primary(turn).report->illness;
  BeginFencing(turn, rule,
               absl::StrCat("its agent says: ", illness.empty() ? "it does not run" : illness,
                            "; no more leases, standbys vote"));
}

void FenceSilent(const Turn& turn, absl::string_view rule) {
  const int64_t silent = (turn.now - Primary(turn).last_heard).count();
  BeginFencing(
      turn, rule,
      absl::StrCat("not heard for ", silent, " ms and no standby receives from it",
                   WitnessEvidence(turn.state(), turn.now), "; no more leases, standbys vote"));
}

// ---- Choosing (stage kFencing) ----

// Everyone whose vote counts for coverage: also members that may not be promoted themselves.
std::set<std::string> VotersOf(const ClusterState& state, BootTime now) {
  std::set<std::string> voters;
  for (const auto& [node, member] : state.members) {
    if (node != state.durable.primary && VoteCounts(state.durable, node) &&
        IsHeard(state, member, now) && member.report->ballot.has_value() &&
        member.report->ballot->epoch == state.durable.epoch) {
      voters.insert(node);
    }
  }
  return voters;
}

// Likewise, with the witness, which holds nothing but may have let the old primary go on alone.
std::set<std::string> VotesOf(const ClusterState& state, BootTime now) {
  std::set<std::string> voters = VotersOf(state, now);
  if (WitnessVotes(state)) {
    voters.insert(state.durable.spec.witness);
  }
  return voters;
}

Ballot HighestBallot(const ClusterState& state, const std::set<std::string>& voters) {
  Ballot highest;
  for (const std::string& node : voters) {
    const Ballot& ballot = *state.members.at(node).report->ballot;
    if (std::tie(ballot.timeline, ballot.lsn) > std::tie(highest.timeline, highest.lsn)) {
      highest = ballot;
    }
  }
  return highest;
}

// The asked-for target if it is as far as the best, else the best.
std::optional<Candidate> Chosen(const ClusterState& state, BootTime now) {
  const std::vector<Candidate> candidates = CandidatesOf(state, now);
  std::optional<Candidate> best = BestOf(candidates);
  for (const Candidate& candidate : candidates) {
    if (candidate.node == state.durable.target &&
        candidate.ballot.timeline == best->ballot.timeline &&
        candidate.ballot.lsn >= best->ballot.lsn) {
      return candidate;
    }
  }
  return best;
}

// A member whose vote is the most advanced may be barred from promotion (priority 0, paused
// replay). Then nobody who lacks its WAL is promoted either.
bool ReachesAllVotes(const ClusterState& state, const Candidate& candidate, BootTime now) {
  const Ballot highest = HighestBallot(state, VotersOf(state, now));
  return candidate.ballot.timeline == highest.timeline && candidate.ballot.lsn >= highest.lsn;
}

// With a target the target's own vote is worth a short wait.
bool TargetIsStillAwaited(const Turn& turn) {
  const std::string& target = turn.durable().target;
  return !target.empty() && VotersOf(turn.state(), turn.now).count(target) == 0 &&
         turn.InStageFor() < turn.timing.resume_after;
}

// Where the votes do not prove that nothing is lost, one more may mean a smaller loss. Who holds
// data of this cluster and can be heard gets a short while to cast it.
bool MoreVotesAreAwaited(const Turn& turn) {
  const ClusterState& state = turn.state();
  if (turn.InStageFor() >= turn.timing.resume_after) {
    return false;
  }
  const std::set<std::string> voters = VotersOf(state, turn.now);
  for (const auto& [node, member] : state.members) {
    if (node != state.durable.primary && voters.count(node) == 0 &&
        VoteCounts(state.durable, node) && IsHeard(state, member, turn.now) &&
        member.report->data_is_complete &&
        member.report->system_identifier == state.durable.system_identifier) {
      return true;
    }
  }
  return false;
}

bool VotesSuffice(const Turn& turn) {
  if (!InStage(turn, Stage::kFencing) || TargetIsStillAwaited(turn)) {
    return false;
  }
  const std::optional<Candidate> chosen = Chosen(turn.state(), turn.now);
  return chosen.has_value() && ReachesAllVotes(turn.state(), *chosen, turn.now) &&
         CoversAll(VotesOf(turn.state(), turn.now), turn.durable());
}

// The old primary said where its WAL ends after a clean shutdown: who has received more than the
// start of that last record has received all of it (walsenders send everything before they exit).
// An LSN on another timeline says nothing: a candidate that was lost before it was confirmed may
// have begun one of its own.
bool CaughtUpWithCleanStop(const Turn& turn) {
  if (!InStage(turn, Stage::kFencing) || TargetIsStillAwaited(turn)) {
    return false;
  }
  const MemberView& old = Primary(turn);
  const std::optional<Candidate> chosen = Chosen(turn.state(), turn.now);
  return chosen.has_value() && OldPrimaryIsFenced(turn.state(), turn.now, turn.timing) &&
         old.report.has_value() && old.report->epoch >= turn.durable().epoch &&
         old.report->clean_stop && old.report->write_lsn.valid() &&
         chosen->ballot.timeline == old.report->timeline &&
         chosen->ballot.lsn > old.report->write_lsn;
}

// Asynchronous by choice: the old primary must be fenced for certain, all who can be heard have
// voted, and the loss stays within maxLag.
bool AsynchronousLossIsBounded(const Turn& turn) {
  const ClusterState& state = turn.state();
  if (!InStage(turn, Stage::kFencing) ||
      turn.spec().synchronous.durability != DataDurability::kOff ||
      !KeepPromises(VotesOf(state, turn.now), turn.durable()) ||
      !OldPrimaryIsFenced(state, turn.now, turn.timing) || TargetIsStillAwaited(turn) ||
      MoreVotesAreAwaited(turn)) {
    return false;
  }
  const std::optional<Candidate> chosen = Chosen(state, turn.now);
  const Lsn end = EndOfLostWal(turn);
  if (!chosen.has_value() || !end.valid() || chosen->ballot.timeline < turn.durable().timeline ||
      !ReachesAllVotes(state, *chosen, turn.now)) {
    return false;
  }
  return BytesBetween(chosen->ballot.lsn, end) <= turn.spec().failover.max_lag_bytes;
}

// The one that a person has named, and nobody in its place; else the best.
std::optional<Candidate> ChosenAcceptingLoss(const ClusterState& state, BootTime now) {
  std::vector<Candidate> candidates = CandidatesOf(state, now);
  if (const std::string& named = state.durable.target; !named.empty()) {
    std::erase_if(candidates, [&named](const Candidate& one) { return one.node != named; });
  }
  return BestOf(candidates);
}

// A person knows what no message tells: that the old primary is gone. Where witnesses may be left
// on its side, the lease is all that can be waited for.
bool LossWasAccepted(const Turn& turn) {
  return InStage(turn, Stage::kFencing) && turn.durable().accept_data_loss &&
         !MoreVotesAreAwaited(turn) &&
         (SaysItIsDown(turn.state()) || LeaseIsOver(turn.state(), turn.now)) &&
         ChosenAcceptingLoss(turn.state(), turn.now).has_value();
}

void PromoteAlone(const Turn& turn, const Candidate& chosen) {
  Promote(turn, chosen, VotesOf(turn.state(), turn.now));
  ForgetOldQuorums(turn);
}

std::string DescribeChoice(const Turn& turn, const Candidate& chosen, absl::string_view proof) {
  return absl::StrCat("chosen at timeline ", chosen.ballot.timeline, ", LSN ",
                      FormatLsn(chosen.ballot.lsn), ": ", proof, "; votes from ",
                      absl::StrJoin(VotesOf(turn.state(), turn.now), ", "));
}

void PromoteByVotes(const Turn& turn, absl::string_view rule) {
  const Candidate chosen = *Chosen(turn.state(), turn.now);
  const std::string text =
      DescribeChoice(turn, chosen, "the votes cover every acknowledged commit");
  Promote(turn, chosen, VotesOf(turn.state(), turn.now));
  turn.Note(rule, chosen.node, text, true);
}

void PromoteCaughtUp(const Turn& turn, absl::string_view rule) {
  const Candidate chosen = *Chosen(turn.state(), turn.now);
  const std::string text = DescribeChoice(turn, chosen, "it has all WAL of the clean stop");
  PromoteAlone(turn, chosen);
  turn.Note(rule, chosen.node, text, true);
}

void PromoteAsynchronous(const Turn& turn, absl::string_view rule) {
  const Candidate chosen = *Chosen(turn.state(), turn.now);
  const uint64_t lost = BytesBetween(chosen.ballot.lsn, EndOfLostWal(turn));
  const std::string text = DescribeChoice(
      turn, chosen, absl::StrCat("the old primary is fenced; at least ", lost, " bytes are lost"));
  Promote(turn, chosen, VotesOf(turn.state(), turn.now));
  PassOnPromises(turn, chosen.node);
  turn.Note(rule, chosen.node, text, true);
}

void PromoteAcceptingLoss(const Turn& turn, absl::string_view rule) {
  const Candidate chosen = *ChosenAcceptingLoss(turn.state(), turn.now);
  const std::string text = DescribeChoice(turn, chosen, "a person accepted that commits are lost");
  PromoteAlone(turn, chosen);
  turn.Note(rule, chosen.node, text, true);
}

// A person wants another one, and it can be heard.
bool AnotherWasNamed(const Turn& turn) {
  const MemberView* const named = FindMember(turn.state(), turn.durable().target);
  return turn.durable().accept_data_loss && named != nullptr &&
         IsHeard(turn.state(), *named, turn.now);
}

// The old primary has everything that was ever acknowledged. When nobody else may be promoted, and
// its agent holds it stopped at the present epoch, it goes on itself.
bool OldPrimaryCanResume(const Turn& turn) {
  if (!InStage(turn, Stage::kFencing) || AnotherWasNamed(turn)) {
    return false;
  }
  const MemberView& old = Primary(turn);
  if (!IsHeard(turn.state(), old, turn.now) || old.report->epoch < turn.durable().epoch ||
      old.report->server != ServerState::kStopped || !old.report->data_is_complete ||
      !old.doubt.empty() || old.report->system_identifier != turn.durable().system_identifier ||
      PriorityOf(turn.spec(), turn.durable().primary) == 0) {
    return false;
  }
  if (HighestBallot(turn.state(), VotersOf(turn.state(), turn.now)).timeline >
      old.report->timeline) {
    return false;  // somebody was promoted after it, by a store that is lost
  }
  // After a restart of this controller the others get time to dial in.
  bool somebody_may_vote = turn.state().members.size() > 1 &&
                           turn.now - turn.state().started_at < turn.spec().failover.detect_after;
  for (const auto& [node, member] : turn.state().members) {
    somebody_may_vote |= node != turn.durable().primary && VoteCounts(turn.durable(), node) &&
                         member.connected && member.report.has_value() &&
                         member.report->data_is_complete;
  }
  return !somebody_may_vote || turn.InStageFor() >= turn.timing.resume_after;
}

void ResumeOldPrimary(const Turn& turn, absl::string_view rule) {
  turn.EnterStage(Stage::kPromoting);
  turn.durable().target.clear();
  turn.durable().accept_data_loss = false;
  turn.durable().sole_copy |= IsWitnessed(turn.durable());  // it may have been alone meanwhile
  turn.Note(rule, turn.durable().primary,
            "no standby may be promoted without a loss; it has every commit and starts again",
            true);
}

// ---- Promotion (stage kPromoting) ----

bool PromotionIsConfirmed(const Turn& turn) {
  const MemberView& primary = Primary(turn);
  return InStage(turn, Stage::kPromoting) && primary.report.has_value() &&
         primary.report->role == ServerRole::kPrimary &&
         primary.report->server == ServerState::kRunning &&
         primary.report->writable_epoch == turn.durable().epoch;
}

void ConfirmPromotion(const Turn& turn, absl::string_view rule) {
  const Report& report = *Primary(turn).report;
  TakeTimeline(turn, report);
  turn.durable().planned = false;
  turn.durable().lost_wal_end = Lsn{};
  turn.EnterStage(Stage::kRunning);
  for (auto& [node, member] : turn.state().members) {
    member.attached = false;
    member.replays = false;
    member.not_streaming_since = turn.now;
    member.wal_end = node == turn.durable().primary ? report.write_lsn : Lsn{};
    member.wal_end_at = turn.now;
  }
  turn.state().witness.attached = false;
  turn.state().witness.not_streaming_since = turn.now;
  turn.Note(
      rule, turn.durable().primary,
      absl::StrCat("writable on timeline ", report.timeline, " from ", FormatLsn(report.fork_lsn)),
      true);
}

bool CandidateIsLost(const Turn& turn) {
  if (!InStage(turn, Stage::kPromoting)) {
    return false;
  }
  const MemberView& candidate = Primary(turn);
  const Duration patience = turn.spec().failover.detect_after;
  if (IsSilent(turn.state(), candidate, turn.now)) {
    return turn.InStageFor() >= patience;
  }
  if (!candidate.report.has_value()) {
    return false;
  }
  const Report& report = *candidate.report;
  const bool down = (IsDown(report) || report.server == ServerState::kHung) &&
                    candidate.down_since.has_value() && turn.InStageFor() >= patience * 3 &&
                    turn.now - *candidate.down_since >= patience * 3;
  const bool stuck = !report.step_error.empty() && turn.InStageFor() >= patience * 10;
  return down || stuck;
}

void ChooseAgain(const Turn& turn, absl::string_view rule) {
  BeginEpoch(turn);
  EnterFencing(turn);
  turn.Note(rule, turn.durable().primary, "lost before it became writable; standbys vote again",
            true);
}

}  // namespace

std::vector<Candidate> CandidatesOf(const ClusterState& state, BootTime now) {
  std::vector<Candidate> candidates;
  for (const std::string& node : VotersOf(state, now)) {
    const Report& report = *state.members.at(node).report;
    const uint32_t priority = PriorityOf(state.durable.spec, node);
    if (priority > 0 && !InMaintenance(state.durable, node) && !report.replay_paused &&
        report.data_is_complete && report.system_identifier == state.durable.system_identifier) {
      candidates.push_back(Candidate{node, *report.ballot, priority});
    }
  }
  return candidates;
}

std::optional<Candidate> BestOf(const std::vector<Candidate>& candidates) {
  std::optional<Candidate> best;
  for (const Candidate& candidate : candidates) {
    if (!best.has_value() ||
        std::tie(candidate.ballot.timeline, candidate.ballot.lsn, candidate.priority) >
            std::tie(best->ballot.timeline, best->ballot.lsn, best->priority)) {
      best = candidate;  // candidates come in order of their names
    }
  }
  return best;
}

bool LeaseIsOver(const ClusterState& state, BootTime now) {
  return now >= PrimaryOf(state).may_write_until;
}

namespace {

// Whoever voted long enough ago: what it witnessed before has run out on every clock.
std::set<std::string> VotesOfLongAgo(const ClusterState& state,
                                     BootTime now,
                                     const Timing& timing) {
  std::set<std::string> nodes;
  for (const auto& [node, member] : state.members) {
    if (member.voted_at.has_value() &&
        now >= LeaseEnd(state.durable.spec.failover.lease_ttl, *member.voted_at, timing)) {
      nodes.insert(node);
    }
  }
  if (WitnessVotes(state)) {
    nodes.insert(state.durable.spec.witness);  // it did not let anybody go on: no need to wait
  }
  return nodes;
}

}  // namespace

bool OldPrimaryIsFenced(const ClusterState& state, BootTime now, const Timing& timing) {
  return SaysItIsDown(state) ||
         (LeaseIsOver(state, now) &&
          LeaveTooFewWitnesses(VotesOfLongAgo(state, now, timing), state.durable));
}

const std::vector<Rule>& FailoverRules() {
  static const std::vector<Rule> rules = {
      {"primary-reports-down", PrimaryReportsDown, FenceDown},
      {"primary-reports-hung", PrimaryReportsHung, FenceHung},
      {"primary-is-silent", PrimaryIsSilent, FenceSilent},
      {"promote-caught-up", CaughtUpWithCleanStop, PromoteCaughtUp},
      {"promote-by-votes", VotesSuffice, PromoteByVotes},
      {"promote-asynchronous", AsynchronousLossIsBounded, PromoteAsynchronous},
      {"promote-accepting-loss", LossWasAccepted, PromoteAcceptingLoss},
      {"resume-old-primary", OldPrimaryCanResume, ResumeOldPrimary},
      {"promotion-confirmed", PromotionIsConfirmed, ConfirmPromotion},
      {"candidate-is-lost", CandidateIsLost, ChooseAgain},
  };
  return rules;
}

}  // namespace pgmahout::controller
