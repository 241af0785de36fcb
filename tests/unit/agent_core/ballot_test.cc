// SPDX-License-Identifier: Apache-2.0
// A vote is a promise: nothing can arrive from the old primary any more, also after a restart.
#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

// What it ran as a standby before it was asked for its vote.
std::string AttachedConfig() {
  const World world = Told(Assignment::kStandby);
  return RenderConfig(*world.desired, world.context, /*detached=*/false);
}

World Voter() {
  return Running(Assignment::kPrepare, /*standby=*/true);
}

TEST(Ballot, TellsTheFurthestOfReceivedAndReplayed) {
  World world = Voter();
  EXPECT_EQ(BallotOf(world), (Ballot{kEpoch, 2, Lsn{950}}));
  world.observation.sql->replay_lsn = Lsn{970};
  EXPECT_EQ(BallotOf(world), (Ballot{kEpoch, 2, Lsn{970}})) << "WAL from the archive counts";
}

struct NoVoteCase {
  const char* why;
  void (*change)(World&);

  friend void PrintTo(const NoVoteCase& one, std::ostream* out) { *out << one.why; }
};

class NoBallot : public ::testing::TestWithParam<NoVoteCase> {};

TEST_P(NoBallot, While) {
  World world = Voter();
  ASSERT_TRUE(BallotOf(world).has_value());
  GetParam().change(world);
  EXPECT_FALSE(BallotOf(world).has_value()) << GetParam().why;
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    NoBallot,
    ::testing::Values(
        NoVoteCase{"the receiver is still there",
                   [](World& w) { w.observation.sql->receiver_exists = true; }},
        NoVoteCase{"the server has not loaded the detached configuration",
                   [](World& w) { w.observation.sql->config_id = ConfigIdOf(AttachedConfig()); }},
        NoVoteCase{"the file on disk is not detached, so a restart would attach again",
                   [](World& w) { w.observation.data.config = AttachedConfig(); }},
        NoVoteCase{"the epoch is not stored yet", [](World& w) { w.memory.epoch = kEpoch - 1; }},
        NoVoteCase{"a later epoch is stored", [](World& w) { w.memory.epoch = kEpoch + 1; }},
        NoVoteCase{"nobody asked", [](World& w) { w.desired->assignment = Assignment::kStandby; }},
        NoVoteCase{"it has no orders", [](World& w) { w.desired.reset(); }},
        NoVoteCase{"the server does not answer", [](World& w) { w.observation.sql.reset(); }},
        NoVoteCase{"it is a primary", [](World& w) { w.observation.sql->in_recovery = false; }},
        NoVoteCase{"its data is not complete",
                   [](World& w) { w.observation.data.complete = false; }},
        NoVoteCase{"a fresh start may not have replayed all it holds",
                   [](World& w) { w.observation.sql->receive_lsn = Lsn{}; }}));

TEST(Ballot, FreshStartVotesOnceAllLocalWalIsReplayed) {
  World world = Voter();
  world.observation.sql->receive_lsn = Lsn{};
  world.observation.sql->replayed_all_local = true;
  EXPECT_EQ(BallotOf(world), (Ballot{kEpoch, 2, Lsn{900}}));
}

// ---- The way there ----

TEST(Vote, DetachesThenStartsThenWaitsForTheReceiver) {
  World world = WithData(Assignment::kPrepare, /*standby=*/true);
  world.observation.data.config = AttachedConfig();
  Step step = Next(world);
  EXPECT_EQ(step.rule, "vote");
  EXPECT_EQ(step.kind, StepKind::kConfigure);
  EXPECT_NE(step.config.find("primary_conninfo = ''"), std::string::npos);
  EXPECT_NE(step.config.find("restore_command = ''"), std::string::npos);
  Configure(world, /*detached=*/true);
  EXPECT_EQ(Decided(world), "vote: start");

  world = Voter();
  EXPECT_EQ(Next(world).reason, "voted");
  world.observation.sql->receiver_exists = true;
  EXPECT_EQ(Next(world).reason, "its WAL receiver is ending");
}

TEST(Vote, FormerPrimaryIsStoppedAndDoesNotVote) {
  World world = RunningPrimary();
  world.desired->assignment = Assignment::kPrepare;
  EXPECT_EQ(Decided(world), "vote: stop");
  world = WithData(Assignment::kPrepare, /*standby=*/false);
  EXPECT_EQ(Decided(world), "vote: wait");
  EXPECT_EQ(Next(world).reason, "votes only if it is named: it was primary before");
}

TEST(Vote, FormerPrimaryThatAPersonHasNamedIsMadeAVoter) {
  World world = WithData(Assignment::kPrepare, /*standby=*/false);
  world.desired->former_primary_votes = true;
  EXPECT_EQ(Decided(world), "vote: mark-voter");
  world.observation.data.standby_signal = true;
  Configure(world, /*detached=*/true);
  EXPECT_EQ(Decided(world), "vote: start");
  world.observation.data.complete = false;
  EXPECT_EQ(Decided(world), "vote: wait");
}

TEST(Vote, NodeWithoutDataDoesNotVote) {
  EXPECT_EQ(Decided(Told(Assignment::kPrepare)), "vote: wait");
}

}  // namespace
}  // namespace pgmahout::agent
