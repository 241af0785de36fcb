// SPDX-License-Identifier: Apache-2.0
// Who is promoted when votes are in, each condition by itself: one change, one difference.
#include <gtest/gtest.h>

#include "controller/core/failover.h"
#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

std::vector<std::string> NodesOf(const std::vector<Candidate>& candidates) {
  std::vector<std::string> nodes;
  for (const Candidate& candidate : candidates) {
    nodes.push_back(candidate.node);
  }
  return nodes;
}

std::string Promoted(const ClusterState& state) {
  const Durable after = Look(state).state.durable;
  return after.stage == Stage::kPromoting ? after.primary : "";
}

// Stops everything that could promote db2 and db3 by votes: db3 cannot be heard.
ClusterState OneVote(ClusterSpec spec = SpecOf(3)) {
  ClusterState state = Voted(std::move(spec));
  Silence(state, "db3");
  return state;
}

ClusterSpec Asynchronous() {
  ClusterSpec spec = SpecOf(3);
  spec.synchronous.durability = DataDurability::kOff;
  return spec;
}

void AwaitTarget(ClusterState& state) {
  state.durable.target = "db3";
  ReportFrom(state, "db3").ballot.reset();
  state.stage_since = kNow - Duration{100};
}

// db3 may not be promoted, and has WAL that nobody else has.
void BarDb3AheadOfAll(ClusterState& state) {
  state.durable.spec.failover.priority["db3"] = 0;
  ReportFrom(state, "db3").ballot->lsn = Wal(111);
}

void BarDb3OnALaterTimeline(ClusterState& state) {
  state.durable.spec.failover.priority["db3"] = 0;
  ReportFrom(state, "db3").ballot->timeline = 2;
}

// Its agent says that the server is gone for good, so that the old primary cannot resume.
void LoseDiskOfDb1(ClusterState& state) {
  MemberView& old = state.members.at("db1");
  old.last_heard = kNow;
  old.report->epoch = 2;
  old.report->server = ServerState::kAbsent;
  old.report->role = ServerRole::kUnknown;
  old.report->data_is_complete = false;
}

// ---- Who may be chosen ----

TEST(Candidates, AreVotersWithUsableDataOfThisCluster) {
  EXPECT_EQ(NodesOf(CandidatesOf(Voted(), kNow)), (std::vector<std::string>{"db2", "db3"}));
  const std::vector<Change> changes = {
      {"no vote", [](ClusterState& state) { ReportFrom(state, "db2").ballot.reset(); }},
      {"vote of an earlier epoch",
       [](ClusterState& state) { ReportFrom(state, "db2").ballot->epoch = 1; }},
      {"not heard", [](ClusterState& state) { Silence(state, "db2"); }},
      {"priority 0", [](ClusterState& state) { state.durable.spec.failover.priority["db2"] = 0; }},
      {"paused replay", [](ClusterState& state) { ReportFrom(state, "db2").replay_paused = true; }},
      {"half a copy",
       [](ClusterState& state) { ReportFrom(state, "db2").data_is_complete = false; }},
      {"data of another cluster",
       [](ClusterState& state) { ReportFrom(state, "db2").system_identifier = 1; }},
  };
  for (const Change& change : changes) {
    ClusterState state = Voted();
    change.apply(state);
    EXPECT_EQ(NodesOf(CandidatesOf(state, kNow)), std::vector<std::string>{"db3"}) << change.what;
  }
}

TEST(PromoteByVotes, TakesTheTargetOnlyIfNobodyIsAhead) {
  ClusterState state = Voted();
  EXPECT_EQ(Promoted(state), "db2");
  state.durable.target = "db3";
  EXPECT_EQ(Promoted(state), "db3");
  ReportFrom(state, "db3").ballot->lsn = Wal(109);
  EXPECT_EQ(Promoted(state), "db2");
  state.durable.timeline = 2;
  ReportFrom(state, "db3").ballot->lsn = Wal(111);
  ReportFrom(state, "db2").ballot->timeline = 2;
  EXPECT_EQ(Promoted(state), "db2") << "WAL of an earlier timeline is no measure";
}

TEST(PromoteByVotes, IsPreventedByWhoeverIsAheadAndMayNotBePromoted) {
  ExpectEachPrevents(Voted(), "promote-by-votes",
                     {{"further on the same timeline", BarDb3AheadOfAll},
                      {"on a later timeline", BarDb3OnALaterTimeline},
                      {"the target has not voted yet", AwaitTarget}});
}

// ---- After a clean stop ----

// Votes do not suffice here: db3 is away.
ClusterState VotedAfterCleanStop() {
  ClusterState state = OneVote();
  state.durable.planned = true;
  Report& old = ReportFrom(state, "db1");
  state.members.at("db1").last_heard = kNow;
  old.epoch = 2;
  old.server = ServerState::kStopped;
  old.role = ServerRole::kUnknown;
  old.clean_stop = true;
  old.write_lsn = Lsn{Wal(110).value - 120};
  return state;
}

TEST(PromoteCaughtUp, NeedsTheEndOfACleanStopAndWhoHasReceivedIt) {
  ExpectEachPrevents(VotedAfterCleanStop(), "promote-caught-up",
                     {{"it stopped uncleanly",
                       [](ClusterState& state) { ReportFrom(state, "db1").clean_stop = false; }},
                      {"its checkpoint is not known",
                       [](ClusterState& state) { ReportFrom(state, "db1").write_lsn = Lsn{}; }},
                      {"it said so before the epoch began",
                       [](ClusterState& state) { ReportFrom(state, "db1").epoch = 1; }},
                      {"this controller has not heard it since its start",
                       [](ClusterState& state) { state.members.at("db1").report.reset(); }},
                      {"it runs, and its lease is not over",
                       [](ClusterState& state) {
                         ReportFrom(state, "db1").server = ServerState::kRunning;
                         state.members.at("db1").may_write_until = kNow + Duration{1};
                       }},
                      {"the vote is of another timeline",
                       [](ClusterState& state) { ReportFrom(state, "db2").ballot->timeline = 2; }},
                      {"the checkpoint record was not received",
                       [](ClusterState& state) {
                         ReportFrom(state, "db2").ballot->lsn = Lsn{Wal(110).value - 120};
                       }},
                      {"nobody voted", [](ClusterState& state) { Silence(state, "db2"); }},
                      {"the target has not voted yet", [](ClusterState& state) {
                         state.durable.target = "db3";
                         state.stage_since = kNow - Duration{100};
                       }}});
}

// Its lease is over and the votes of all witnesses are old: it is fenced without saying so.
TEST(PromoteCaughtUp, ReportOfAnEarlierEpochIsNotAboutThisStop) {
  ClusterState state = VotedAfterCleanStop();
  ReportFrom(state, "db1").epoch = 1;
  state.members.at("db3").voted_at = kNow - Duration{60'000};
  ASSERT_TRUE(OldPrimaryIsFenced(state, kNow, Timing{}));
  EXPECT_FALSE(Fires(state, "promote-caught-up"));
}

// ---- Asynchronous by choice ----

TEST(PromoteAsynchronous, NeedsAFencedPrimaryAndAKnownBoundedLoss) {
  ExpectEachPrevents(
      Voted(Asynchronous()), "promote-asynchronous",
      {{"synchronous by the spec",
        [](ClusterState& state) {
          state.durable.spec.synchronous.durability = DataDurability::kPreferred;
        }},
       {"a promise of before",
        [](ClusterState& state) {
          state.durable.older = {Quorum{1, {"db1", "db4"}}};
        }},
       {"it may still write",
        [](ClusterState& state) { state.members.at("db1").may_write_until = kNow + Duration{1}; }},
       {"the target has not voted yet", AwaitTarget},
       {"a vote may still come",
        [](ClusterState& state) {
          ReportFrom(state, "db3").ballot.reset();
          state.stage_since = kNow - Duration{100};
        }},
       {"nobody may be promoted",
        [](ClusterState& state) {
          state.durable.spec.failover.priority = {{"db2", 0}, {"db3", 0}};
        }},
       {"nobody knows where the lost WAL ends",
        [](ClusterState& state) { state.members.at("db1").wal_end = Lsn{}; }},
       {"all votes are of an earlier timeline",
        [](ClusterState& state) { state.durable.timeline = 2; }},
       {"more than maxLag is lost",
        [](ClusterState& state) { state.members.at("db1").wal_end = Wal(112); }},
       {"who is ahead may not be promoted", BarDb3AheadOfAll}});
}

// ---- A person accepts the loss ----

ClusterState LossAccepted() {
  ClusterState state = OneVote();
  state.durable.accept_data_loss = true;
  return state;
}

TEST(PromoteAcceptingLoss, NeedsAFencedPrimaryAndEveryVoteThatCanBeHad) {
  ExpectEachPrevents(
      LossAccepted(), "promote-accepting-loss",
      {{"nobody accepted it", [](ClusterState& state) { state.durable.accept_data_loss = false; }},
       {"its lease is not over",
        [](ClusterState& state) { state.members.at("db1").may_write_until = kNow + Duration{1}; }},
       {"the target has not voted yet",
        [](ClusterState& state) {
          state.durable.target = "db3";
          state.stage_since = kNow - Duration{100};
        }},
       {"a vote may still come",
        [](ClusterState& state) {
          state.members.at("db3").last_heard = kNow;
          ReportFrom(state, "db3").ballot.reset();
          state.stage_since = kNow - Duration{100};
        }},
       {"nobody voted", [](ClusterState& state) { Silence(state, "db2"); }},
       {"another one was named, however long it does not vote",
        [](ClusterState& state) { state.durable.target = "db3"; }}});
}

TEST(PromoteAcceptingLoss, TakesTheOneThatWasNamedAlsoWhereAnotherIsAhead) {
  ClusterState state = LossAccepted();
  state.durable.sole_copy = true;  // no votes prove anything
  state.members.at("db3").last_heard = kNow;
  ReportFrom(state, "db3").ballot = Ballot{2, 1, Wal(111)};
  EXPECT_EQ(Advance(state, Tick{}, kNow).state.durable.primary, "db3");
  state.durable.target = "db2";
  EXPECT_EQ(Advance(state, Tick{}, kNow).state.durable.primary, "db2");
}

TEST(PromoteAcceptingLoss, DoesNotWaitForWhatCannotCome) {
  ExpectNonePrevents(LossAccepted(), "promote-accepting-loss",
                     {{"it says that it is down, before its lease is over",
                       [](ClusterState& state) {
                         LoseDiskOfDb1(state);
                         state.members.at("db1").may_write_until = kNow + Duration{10'000};
                       }},
                      {"who has not voted has half a copy only",
                       [](ClusterState& state) {
                         state.members.at("db3").last_heard = kNow;
                         ReportFrom(state, "db3").ballot.reset();
                         ReportFrom(state, "db3").data_is_complete = false;
                         state.stage_since = kNow - Duration{100};
                       }},
                      {"who has not voted has data of another cluster", [](ClusterState& state) {
                         state.members.at("db3").last_heard = kNow;
                         ReportFrom(state, "db3").ballot.reset();
                         ReportFrom(state, "db3").system_identifier = 1;
                         state.stage_since = kNow - Duration{100};
                       }}});
}

}  // namespace
}  // namespace pgmahout::controller
