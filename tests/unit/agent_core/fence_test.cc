// SPDX-License-Identifier: Apache-2.0
// What must not run is stopped, whatever the orders say: orphans, and a primary whose lease ends.
#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

TEST(KillOrphans, ComesBeforeEverythingElse) {
  World world = RunningPrimary();
  world.observation.orphans = true;
  EXPECT_EQ(Decided(world), "kill-orphans: kill");
  world.desired.reset();
  EXPECT_EQ(Decided(world), "kill-orphans: kill");
}

struct DeadlineCase {
  int64_t left;  // milliseconds until the lease's deadline
  const char* decided;
};

class FenceAtDeadline : public ::testing::TestWithParam<DeadlineCase> {};

TEST_P(FenceAtDeadline, StopsAtTheMarginAndKillsAtAThirdOfIt) {
  World world = RunningPrimary();
  world.lease->deadline = world.now + Duration{GetParam().left};
  EXPECT_EQ(Decided(world), GetParam().decided);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         FenceAtDeadline,
                         ::testing::Values(DeadlineCase{10'000, "be-primary: wait"},
                                           DeadlineCase{3'001, "be-primary: wait"},
                                           DeadlineCase{3'000, "fence-at-deadline: stop"},
                                           DeadlineCase{1'001, "fence-at-deadline: stop"},
                                           DeadlineCase{1'000, "fence-at-deadline: kill"},
                                           DeadlineCase{0, "fence-at-deadline: kill"},
                                           DeadlineCase{-60'000, "fence-at-deadline: kill"}));

TEST(FenceAtDeadline, StopEndsBeforeTheKillIsDue) {
  World world = RunningPrimary();
  world.lease->deadline = world.now + Duration{3'000};
  EXPECT_EQ(Next(world).kill_after, Duration{2'000});
}

TEST(FenceAtDeadline, NeedsNoOrders) {
  World world = RunningPrimary();
  world.desired.reset();
  EXPECT_EQ(Decided(world), "wait-for-orders: wait") << "an agent's restart touches nothing";
  world.now = world.lease->deadline;
  EXPECT_EQ(Decided(world), "fence-at-deadline: kill");
}

TEST(FenceAtDeadline, PrimaryWithoutAnyLeaseIsKilled) {
  World world = RunningPrimary();
  world.lease.reset();
  EXPECT_EQ(Decided(world), "fence-at-deadline: kill");
}

TEST(FenceAtDeadline, HungPrimaryIsFencedToo) {
  World world = RunningPrimary();
  world.observation.sql.reset();
  world.observation.server = ServerState::kHung;
  world.now = world.lease->deadline;
  EXPECT_EQ(Decided(world), "fence-at-deadline: kill");
}

TEST(FenceAtDeadline, StandbyThatSomebodyPromotedByHandIsKilled) {
  World world = RunningStandby();
  world.observation.sql->in_recovery = false;
  world.observation.data.standby_signal = false;
  EXPECT_EQ(Decided(world), "fence-at-deadline: kill");
}

TEST(FenceAtDeadline, StandbyNeedsNoLease) {
  EXPECT_EQ(Decided(RunningStandby()), "be-standby: wait");
}

TEST(FenceAtDeadline, ServerOfNoClusterIsNotOurs) {
  World world = RunningPrimary();
  world.memory = Memory{};
  world.lease.reset();
  world.desired->epoch = 0;
  world.desired->cluster.clear();
  world.desired->assignment = Assignment::kNone;
  EXPECT_EQ(Decided(world), "release: let-go");
}

// The order comes with a later epoch and without a lease. What was granted is still valid, so the
// server gets its clean shutdown.
TEST(FenceAtDeadline, OrderOfALaterEpochDoesNotEndTheLease) {
  World world = RunningPrimary();
  world.desired->assignment = Assignment::kStop;
  world.desired->clean_stop = true;
  world.desired->epoch = kEpoch + 1;
  EXPECT_EQ(Decided(world), "remember-orders: remember");
  world.memory = Next(world).memory;
  EXPECT_EQ(Decided(world), "stop-as-ordered: checkpoint");
  world.memory = Next(world).memory;
  const Step stop = Next(world);
  EXPECT_EQ(stop.kind, StepKind::kStopFast);
  EXPECT_EQ(stop.kill_after, Duration{25'000});
  world.now = world.lease->deadline;
  EXPECT_EQ(Decided(world), "fence-at-deadline: kill") << "the controller counts on that";
}

}  // namespace
}  // namespace pgmahout::agent
