// SPDX-License-Identifier: Apache-2.0
// Letting go of a server, and not taking one by accident.
#include "agent/core/release.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

World Free(World world) {
  world.desired = DesiredState{};
  world.desired->epoch = kEpoch;
  return world;
}

TEST(Release, LiftsTheFenceFirst) {
  World world = Free(RunningPrimary());
  const Step step = Next(world);
  EXPECT_EQ(step.rule, "release");
  EXPECT_EQ(step.kind, StepKind::kRemember);
  EXPECT_EQ(step.memory.cluster, "");
  EXPECT_EQ(step.memory.system_identifier, 0U);
  EXPECT_FALSE(step.memory.adopted);
  EXPECT_EQ(step.memory.epoch, kEpoch) << "an older order is still an older order";
}

TEST(Release, ThenLeavesAConfigurationThatNeedsNobody) {
  World world = Free(RunningPrimary());
  world.memory.cluster.clear();
  world.lease.reset();
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kLetGo);
  EXPECT_TRUE(IsReleased(step.config));
  world.observation.data.config = step.config;
  EXPECT_EQ(Decided(world), "release: let-go") << "the server has not loaded it";
  EXPECT_EQ(Next(world).config, step.config);
  world.observation.sql->config_id = ConfigIdOf(step.config);
  EXPECT_EQ(Decided(world), "release: wait");
  world.observation.sql.reset();
  EXPECT_EQ(Decided(world), "release: wait");
}

TEST(Release, TouchesNothingThatIsNotOurs) {
  World world = Free(RunningPrimary());
  world.memory.cluster.clear();
  world.observation.data.config = "work_mem = '4MB'\n";
  EXPECT_EQ(Decided(world), "release: wait");
  world.observation.data = DataDirectory{};
  EXPECT_EQ(Decided(world), "release: wait");
}

TEST(Release, IsNotForMembers) {
  World world = RunningStandby();
  world.desired->assignment = Assignment::kNone;  // of a cluster that is being created
  EXPECT_EQ(Decided(world), "be-nothing-yet: wait");
}

TEST(Release, HappensBeforeAnAdoptionIsPreviewed) {
  World world = Free(RunningPrimary());
  world.desired->assignment = Assignment::kPreview;
  world.desired->cluster = "other";
  EXPECT_EQ(Decided(world), "release: remember");
}

TEST(ReleasedConfig, KeepsEverythingButWhatSomebodyHasToLookAfter) {
  World world = RunningStandby();
  world.context.wished_epoch = 4;
  const std::string config = RenderConfig(*world.desired, world.context, /*detached=*/false);
  ASSERT_THAT(config, HasSubstr("ANY 1"));
  const std::string released = RenderReleased(config);
  EXPECT_THAT(released,
              AllOf(StartsWith("# Released by pgmahout"), HasSubstr("primary_conninfo = 'host="),
                    HasSubstr("synchronous_standby_names = ''"), Not(HasSubstr("ANY 1")),
                    Not(HasSubstr("alone_wish")), Not(HasSubstr("Edit the cluster's"))));
  EXPECT_NE(ConfigIdOf(released), "");
  EXPECT_NE(ConfigIdOf(released), ConfigIdOf(config));
  EXPECT_FALSE(IsReleased(config));
}

TEST(ReleasedHba, AreTheRulesOfBeforeBehindThoseOfReplication) {
  const std::string ours = RenderHba(*RunningPrimary().desired);
  EXPECT_TRUE(IsOurHba(ours));
  const std::string before = "# mine\nhost all all 10.0.0.0/8 md5\n";
  const std::string released = RenderReleasedHba(ours, before);
  EXPECT_THAT(released, AllOf(StartsWith("# Released by pgmahout"),
                              HasSubstr("hostssl replication \"pgmahout_replication\""),
                              HasSubstr("# mine\nhost all all 10.0.0.0/8 md5\n"),
                              Not(HasSubstr("reject")), Not(HasSubstr("peer"))));
  EXPECT_EQ(RenderReleasedHba(released, before), released) << "once is enough";
}

TEST(ReleasedHba, AreOursWhereThereWereNone) {
  const std::string ours = RenderHba(*RunningPrimary().desired);
  EXPECT_THAT(RenderReleasedHba(ours, ""),
              AllOf(HasSubstr("peer"), HasSubstr("host all all all reject")));
}

TEST(LeaveForeignPrimary, WhatBelongsToNoClusterIsNotFenced) {
  World world = RunningPrimary();
  world.desired->assignment = Assignment::kNone;
  world.memory = Memory{};
  world.lease.reset();
  EXPECT_EQ(Decided(world), "leave-foreign-primary: wait");
  EXPECT_TRUE(Next(world).blocked);
  for (const Assignment assignment : {Assignment::kBootstrap, Assignment::kAdopt}) {
    world.desired->assignment = assignment;
    EXPECT_EQ(Decided(world), "remember-orders: remember");
  }
  world.desired->assignment = Assignment::kNone;
  world.observation.sql->in_recovery = true;
  EXPECT_EQ(Decided(world), "remember-orders: remember") << "a standby writes nothing";
}

}  // namespace
}  // namespace pgmahout::agent
