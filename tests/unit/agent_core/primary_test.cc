// SPDX-License-Identifier: Apache-2.0
// Becoming primary and staying it: lease, quorum before promotion, then the chores in their order.
#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

TEST(Bootstrap, RunsInitdbOnceThenConfiguresAndStarts) {
  World world = Told(Assignment::kBootstrap);
  world.desired->system_identifier = 0;
  Step step = Next(world);
  EXPECT_EQ(step.rule, "initialize");
  EXPECT_EQ(step.kind, StepKind::kInitialize);
  EXPECT_EQ(step.memory.data_number, 1U);
  world.observation.data.exists = true;
  EXPECT_EQ(Decided(world), "be-primary: wait");
  EXPECT_TRUE(Next(world).blocked) << "half an initdb is no cluster";
  world.observation.data.complete = true;
  EXPECT_EQ(Decided(world), "be-primary: wait") << "no lease yet";
  GrantLease(world, Duration{10'000});
  EXPECT_EQ(Decided(world), "be-primary: configure");
  Configure(world, /*detached=*/false);
  EXPECT_EQ(Decided(world), "be-primary: start");
}

TEST(Bootstrap, RemembersItsSystemIdentifier) {
  World world = RunningPrimary();
  world.memory.started_epoch = 0;
  world.memory.system_identifier = 0;
  world.desired->system_identifier = 0;
  world.desired->assignment = Assignment::kBootstrap;
  Configure(world, /*detached=*/false);
  EXPECT_EQ(Next(world).memory.system_identifier, kSystemIdentifier);
}

TEST(Promotion, NeedsALeaseOfThisEpoch) {
  World world = Running(Assignment::kPrimary, /*standby=*/true);
  EXPECT_EQ(Decided(world), "be-primary: wait");
  world.lease = Lease{kEpoch - 1, world.now + Duration{10'000}, Duration{10'000}, {}};
  EXPECT_EQ(Decided(world), "be-primary: wait");
  world.lease = Lease{kEpoch, world.now + Duration{3'000}, Duration{10'000}, {}};
  EXPECT_EQ(Decided(world), "be-primary: wait") << "fencing would begin at once";
  world.lease = Lease{kEpoch, world.now + Duration{3'001}, Duration{10'000}, {}};
  EXPECT_EQ(Decided(world), "be-primary: promote");
}

TEST(Promotion, ComesAfterTheQuorumIsInForce) {
  World world = Running(Assignment::kPrimary, /*standby=*/true);
  GrantLease(world, Duration{10'000});
  world.desired->quorum = Quorum{1, {"db3"}};
  EXPECT_EQ(Decided(world), "be-primary: configure");
  const SqlFacts loaded = *world.observation.sql;
  Configure(world, /*detached=*/false);
  world.observation.sql = loaded;
  EXPECT_EQ(Decided(world), "be-primary: configure") << "on disk is not in force";
  Configure(world, /*detached=*/false);
  EXPECT_EQ(Decided(world), "be-primary: promote");
}

TEST(Promotion, BeginsNoTimelineThatMayHaveBeenBegunBefore) {
  World world = Running(Assignment::kPrimary, /*standby=*/true);
  GrantLease(world, Duration{10'000});
  world.desired->new_timeline = 5;
  EXPECT_EQ(Next(world).new_timeline, 5U);
}

// A reload costs the outage tens of milliseconds; what else differs can wait for the promotion.
TEST(Promotion, NeedsTheQuorumInForceAndNothingElse) {
  World world = Running(Assignment::kPrimary, /*standby=*/true);
  GrantLease(world, Duration{10'000});
  world.desired->spec.parameters["work_mem"] = "64MB";
  EXPECT_EQ(Decided(world), "be-primary: promote");
  world.observation.sql->in_recovery = false;
  world.memory.started_epoch = kEpoch;
  EXPECT_EQ(Decided(world), "be-primary: configure");
}

TEST(Promotion, WaitsForAServerThatDoesNotAnswerYet) {
  World world = Running(Assignment::kPrimary, /*standby=*/true);
  GrantLease(world, Duration{10'000});
  world.observation.sql.reset();
  EXPECT_EQ(Decided(world), "be-primary: wait");
}

TEST(Crash, AtTheSameEpochWaitsForTheController) {
  World world = WithData(Assignment::kPrimary, /*standby=*/false);
  GrantLease(world, Duration{10'000});
  world.memory.started_epoch = kEpoch;
  EXPECT_EQ(Decided(world), "be-primary: wait");
  world.memory.started_epoch = kEpoch - 1;
  EXPECT_EQ(Decided(world), "be-primary: start") << "it was told to go on at this epoch";
}

TEST(Crash, WithOnCrashRestartStartsAgain) {
  World world = WithData(Assignment::kPrimary, /*standby=*/false);
  world.desired->spec.failover.restart_on_crash = true;
  GrantLease(world, Duration{10'000});
  world.memory.started_epoch = kEpoch;
  EXPECT_EQ(Decided(world), "be-primary: start");
}

TEST(Crash, NeverStartsWritableFromWhatItRemembers) {
  World world = WithData(Assignment::kPrimary, /*standby=*/false);
  world.desired->spec.failover.restart_on_crash = true;
  world.memory.started_epoch = kEpoch;
  EXPECT_EQ(Decided(world), "be-primary: wait") << "another boot, no lease";
}

TEST(Chores, ComeInTheOrderOfTheirUrgency) {
  World world = RunningPrimary();
  world.desired->spec.archive_directory = "/archive";
  world.memory.started_epoch = 0;
  world.memory.checkpointed_epoch = 0;
  world.observation.data.hba = "host all all all trust\n";
  world.observation.sql->roles_id = "none";
  world.observation.sql->slots.clear();

  EXPECT_EQ(Next(world).kind, StepKind::kRemember);
  world.memory = Next(world).memory;
  EXPECT_EQ(world.memory.started_epoch, kEpoch);
  EXPECT_EQ(Next(world).kind, StepKind::kConfigure);
  Configure(world, /*detached=*/false);
  EXPECT_EQ(Next(world).kind, StepKind::kEnsureRoles);
  world.observation.sql->roles_id = Next(world).roles_id;
  EXPECT_EQ(Next(world).kind, StepKind::kEnsureSlots);
  world.observation.sql->slots = {{"pgmahout_db1", false, Lsn{1}}, {"pgmahout_db3", false, Lsn{1}}};
  EXPECT_EQ(Next(world).kind, StepKind::kCheckpoint);
  EXPECT_FALSE(Next(world).fill_segment);
  world.memory = Next(world).memory;
  EXPECT_EQ(Next(world).kind, StepKind::kBackfillArchive);
  world.memory = Next(world).memory;
  EXPECT_EQ(Next(world).kind, StepKind::kWait);
}

TEST(Chores, AutoConfThatOverridesUsIsPutRight) {
  World world = RunningPrimary();
  world.observation.data.auto_conf_overrides = {"synchronous_standby_names"};
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kConfigure);
  EXPECT_NE(step.reason.find("synchronous_standby_names"), std::string::npos);
}

TEST(Chores, OnlyTheUsersParametersAreCheckedByTheServersParser) {
  World world = RunningPrimary();
  world.desired->quorum = Quorum{1, {"db1"}};
  EXPECT_FALSE(Next(world).check_config) << "the check costs a failover tens of milliseconds";
  world.desired->spec.parameters["work_mem"] = "64MB";
  EXPECT_TRUE(Next(world).check_config);
}

// ---- Slots ----

SlotPlan PlanOf(World world) {
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kEnsureSlots);
  return step.slots;
}

TEST(Slots, OneForEachOtherMember) {
  World world = RunningPrimary();
  world.observation.sql->slots = {{"pgmahout_db1", true, Lsn{1}}};
  EXPECT_EQ(PlanOf(world).create, std::vector<std::string>{"pgmahout_db3"});
  EXPECT_TRUE(PlanOf(world).drop.empty());
}

TEST(Slots, OfARemovedMemberIsDroppedUnlessItIsInUse) {
  World world = RunningPrimary();
  world.observation.sql->slots.push_back(Slot{"pgmahout_db9", false, Lsn{1}});
  EXPECT_EQ(PlanOf(world).drop, std::vector<std::string>{"pgmahout_db9"});
  world.observation.sql->slots.back().active = true;
  EXPECT_EQ(Next(world).kind, StepKind::kWait);
}

TEST(Slots, ThatAreNotOursAreLeftAlone) {
  World world = RunningPrimary();
  world.observation.sql->slots.push_back(Slot{"debezium", false, Lsn{1}});
  EXPECT_EQ(Next(world).kind, StepKind::kWait);
}

TEST(Slots, OfAPrimaryAreMovedByTheirOwnersOnly) {
  World world = RunningPrimary();
  world.observation.sql->replay_lsn = Lsn{1'000 << 20};
  world.member_lsn["db3"] = Lsn{900 << 20};
  EXPECT_EQ(Next(world).kind, StepKind::kWait);
}

TEST(Slots, OfAStandbyFollowTheirOwnersWithinItsOwnReplay) {
  World world = RunningStandby();
  SqlFacts& sql = *world.observation.sql;
  sql.replay_lsn = Lsn{40 << 20};
  sql.slots = {{"pgmahout_db1", false, Lsn{39 << 20}}, {"pgmahout_db3", false, Lsn{20 << 20}}};
  EXPECT_EQ(Next(world).kind, StepKind::kWait) << "how far db3 is, is not known";
  world.member_lsn["db3"] = Lsn{36U << 20};
  ASSERT_EQ(PlanOf(world).advance.size(), 1U);
  EXPECT_EQ(PlanOf(world).advance[0].name, "pgmahout_db3");
  EXPECT_EQ(PlanOf(world).advance[0].to, Lsn{36U << 20});
  world.member_lsn["db3"] = Lsn{99U << 20};
  EXPECT_EQ(PlanOf(world).advance[0].to, sql.replay_lsn) << "never beyond what is replayed here";
  world.member_lsn["db3"] = Lsn{35U << 20};
  EXPECT_EQ(Next(world).kind, StepKind::kWait) << "less than one segment is not worth it";
}

TEST(Slots, OfThePrimaryFollowTheRestartpointsOfAStandby) {
  World world = RunningStandby();
  SqlFacts& sql = *world.observation.sql;
  sql.replay_lsn = Lsn{90 << 20};
  sql.redo_lsn = Lsn{35 << 20};
  sql.slots = {{"pgmahout_db1", false, Lsn{20 << 20}}, {"pgmahout_db3", false, Lsn{20 << 20}}};
  EXPECT_EQ(Next(world).kind, StepKind::kWait) << "less than one segment is not worth it";
  sql.redo_lsn = Lsn{36 << 20};
  ASSERT_EQ(PlanOf(world).advance.size(), 1U);
  EXPECT_EQ(PlanOf(world).advance[0].name, "pgmahout_db1");
  EXPECT_EQ(PlanOf(world).advance[0].to, sql.redo_lsn) << "a rewind of db1 begins there or later";
}

TEST(Slots, ThatAreLostAreDroppedAndMadeAnew) {
  World world = RunningPrimary();
  std::vector<Slot>& slots = world.observation.sql->slots;
  slots[0].restart_lsn = Lsn{};
  slots[0].active = true;
  EXPECT_EQ(Next(world).kind, StepKind::kWait) << "somebody uses it";
  slots[0].active = false;
  EXPECT_EQ(PlanOf(world).drop, std::vector<std::string>{slots[0].name});
  EXPECT_TRUE(PlanOf(world).create.empty());
  const std::string name = slots[0].name;
  slots.erase(slots.begin());
  EXPECT_EQ(PlanOf(world).create, std::vector<std::string>{name});
}

}  // namespace
}  // namespace pgmahout::agent
