// SPDX-License-Identifier: Apache-2.0
// Whom to obey, and what is stored before it is obeyed.
#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

TEST(Orders, AreAwaitedAfterAStart) {
  World world = RunningStandby();
  world.desired.reset();
  EXPECT_EQ(Decided(world), "wait-for-orders: wait");
}

TEST(Orders, OfALowerEpochAreIgnored) {
  World world = RunningStandby();
  world.memory.epoch = kEpoch + 1;
  world.desired->assignment = Assignment::kStop;
  EXPECT_EQ(Decided(world), "ignore-lower-epoch: wait");
  EXPECT_TRUE(Next(world).blocked);
}

TEST(Orders, OfAHigherEpochAreStoredBeforeTheyAreObeyed) {
  World world = RunningStandby();
  world.desired->epoch = kEpoch + 3;
  const Step step = Next(world);
  EXPECT_EQ(step.rule, "remember-orders");
  EXPECT_EQ(step.kind, StepKind::kRemember);
  EXPECT_EQ(step.memory.epoch, kEpoch + 3);
}

TEST(Orders, OfAnotherClusterAreRefused) {
  World world = RunningStandby();
  world.desired->cluster = "billing";
  EXPECT_EQ(Decided(world), "refuse-other-cluster: wait");
  EXPECT_TRUE(Next(world).blocked);
}

// A stream that ends up at the wrong VM, or a VM that was cloned under another name.
TEST(Orders, ForSomebodyElseAreRefused) {
  for (const Assignment assignment :
       {Assignment::kStandby, Assignment::kPrepare, Assignment::kPrimary, Assignment::kStop,
        Assignment::kBootstrap}) {
    World world = Told(assignment);
    world.context.node = "db9";
    EXPECT_EQ(Decided(world), "refuse-other-cluster: wait");
    EXPECT_TRUE(Next(world).blocked);
    EXPECT_NE(Next(world).reason.find("\"db9\" is none"), std::string::npos);
  }
}

TEST(Orders, ForeignSystemIdentifierIsLeftUntouched) {
  for (const Assignment assignment :
       {Assignment::kStandby, Assignment::kPrepare, Assignment::kPrimary, Assignment::kStop}) {
    World world = WithData(assignment, /*standby=*/true);
    world.observation.data.system_identifier = 4711;
    EXPECT_EQ(Decided(world), "refuse-other-cluster: wait");
    EXPECT_NE(Next(world).reason.find("left untouched"), std::string::npos);
  }
}

TEST(Orders, FirstOnesSetClusterAndIdentifier) {
  World world = Told(Assignment::kStandby);
  world.memory = Memory{};
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kRemember);
  EXPECT_EQ(step.memory.cluster, "orders");
  EXPECT_EQ(step.memory.system_identifier, kSystemIdentifier);
  EXPECT_EQ(step.memory.epoch, kEpoch);
}

TEST(Release, ForgetsTheClusterOnce) {
  World world = Told(Assignment::kNone);
  world.desired->cluster.clear();
  Step step = Next(world);
  EXPECT_EQ(step.rule, "release");
  EXPECT_EQ(step.kind, StepKind::kRemember);
  EXPECT_EQ(step.memory.cluster, "");
  EXPECT_EQ(step.memory.epoch, kEpoch) << "epochs only grow";
  world.memory = step.memory;
  EXPECT_EQ(Decided(world), "release: wait");
}

TEST(BeNothingYet, MemberWaitsForTheFirstPrimary) {
  EXPECT_EQ(Decided(Told(Assignment::kNone)), "be-nothing-yet: wait");
}

TEST(StopAsOrdered, IsFencedOnceNoProcessRuns) {
  EXPECT_EQ(Decided(WithData(Assignment::kStop, /*standby=*/false)), "stop-as-ordered: wait");
}

TEST(StopAsOrdered, FencesWithAShortPatience) {
  World world = RunningPrimary();
  world.desired->assignment = Assignment::kStop;
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kStopFast);
  EXPECT_EQ(step.kill_after, Duration{3'000});
}

TEST(StopAsOrdered, CandidateThatIsStillAStandbyIsStoppedToo) {
  World world = Running(Assignment::kStop, /*standby=*/true);
  EXPECT_EQ(Decided(world), "stop-as-ordered: stop");
}

}  // namespace
}  // namespace pgmahout::agent
