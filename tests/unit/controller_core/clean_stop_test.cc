// SPDX-License-Identifier: Apache-2.0
// The clean stop of a switchover: who follows without a vote, and what counts as a clean stop: one
// change, one difference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

using testing::HasSubstr;

// Only db2 can follow.
ClusterState OneFollower() {
  ClusterState state = CleanlyStopped();
  Silence(state, "db3");
  return state;
}

TEST(PromoteSuccessor, NeedsTheEndOfACleanStop) {
  ExpectEachPrevents(
      CleanlyStopped(), "promote-successor",
      {{"not stopped cleanly",
        [](ClusterState& state) { ReportFrom(state, "db1").clean_stop = false; }},
       {"where its WAL ends is not known",
        [](ClusterState& state) { ReportFrom(state, "db1").write_lsn = Lsn{}; }},
       {"it was so before the epoch began",
        [](ClusterState& state) { ReportFrom(state, "db1").epoch = 1; }},
       {"it has started again",
        [](ClusterState& state) { ReportFrom(state, "db1").server = ServerState::kStarting; }},
       {"this controller has not heard it since its start",
        [](ClusterState& state) { state.members.at("db1").report.reset(); }}});
  ClusterState ending = CleanlyStopped();
  ReportFrom(ending, "db1").server = ServerState::kStopping;
  EXPECT_TRUE(Fires(ending, "promote-successor")) << "the archiver may still be busy";
}

TEST(PromoteSuccessor, NeedsAStandbyThatHasAllOfIt) {
  ExpectEachPrevents(
      OneFollower(), "promote-successor",
      {{"not eligible", [](ClusterState& state) { ReportFrom(state, "db2").replay_paused = true; }},
       {"it knows of a later epoch",
        [](ClusterState& state) { ReportFrom(state, "db2").epoch = 3; }},
       {"it is no standby",
        [](ClusterState& state) { ReportFrom(state, "db2").role = ServerRole::kPrimary; }},
       {"it is on another timeline",
        [](ClusterState& state) { ReportFrom(state, "db2").timeline = 2; }},
       {"it has not received the checkpoint record",
        [](ClusterState& state) {
          ReportFrom(state, "db2").receive_lsn = ReportFrom(state, "db1").write_lsn;
        }},
       {"another is asked for", [](ClusterState& state) { state.durable.target = "db3"; }}});
}

// Who cannot be heard would only hold up the first commit.
TEST(PromoteSuccessor, BeginsWithTheMembersThatAreThere) {
  EXPECT_EQ(Look(CleanlyStopped()).state.durable.quorum, (Quorum{1, {"db3"}}));
  ClusterSpec spec = SpecOf(4);
  ClusterState state = CleanlyStopped(spec);
  Silence(state, "db3");
  EXPECT_EQ(Look(state).state.durable.quorum, (Quorum{1, {"db4"}}));
  state = CleanlyStopped(spec);
  state.durable.quorum = Quorum{1, {"db2", "db3"}};
  EXPECT_EQ(Look(state).state.durable.quorum, (Quorum{1, {"db3"}}))
      << "db4 streams, and is asked later by a step of its own";
}

// ---- When nobody follows at once ----

ClusterState NobodyHasAllOfIt() {
  ClusterState state = CleanlyStopped();
  for (const char* node : {"db2", "db3"}) {
    ReportFrom(state, node).receive_lsn = Wal(109);
  }
  return state;
}

TEST(CleanStopReached, AsksForVotesAfterAShortPatience) {
  ClusterState state = NobodyHasAllOfIt();
  state.members.at("db1").down_since = kNow - Duration{499};
  EXPECT_FALSE(Fires(state, "clean-stop-reached"));
  state.members.at("db1").down_since = kNow - Duration{500};
  EXPECT_TRUE(Fires(state, "clean-stop-reached"));
  state.members.at("db1").down_since.reset();
  EXPECT_TRUE(Fires(state, "clean-stop-reached")) << "nobody knows how long they have waited";
}

TEST(CleanStopReached, AsksForVotesAtOnceWhereTheStopWasNotClean) {
  ClusterState state = NobodyHasAllOfIt();
  ReportFrom(state, "db1").clean_stop = false;
  const Outcome outcome = Look(state);
  EXPECT_EQ(outcome.state.durable.stage, Stage::kFencing);
  ASSERT_FALSE(outcome.entries.empty());
  EXPECT_THAT(outcome.entries[0].message, HasSubstr("not cleanly"));
}

TEST(CleanStopReached, IsSaidByTheStoppedPrimaryAtThisEpoch) {
  ClusterState state = NobodyHasAllOfIt();
  state.members.at("db1").down_since = kNow - Duration{500};
  ExpectEachPrevents(
      state, "clean-stop-reached",
      {{"it is still ending",
        [](ClusterState& changed) { ReportFrom(changed, "db1").server = ServerState::kStopping; }},
       {"it was down before the epoch began",
        [](ClusterState& changed) { ReportFrom(changed, "db1").epoch = 1; }},
       {"this controller has not heard it since its start",
        [](ClusterState& changed) { changed.members.at("db1").report.reset(); }}});
}

}  // namespace
}  // namespace pgmahout::controller
