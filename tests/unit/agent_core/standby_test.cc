// SPDX-License-Identifier: Apache-2.0
// Becoming a standby: from nothing, from a former primary, from WAL that has diverged; and the
// data that must not be touched on the way.
#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

TEST(Standby, NewOneCopiesTheConfirmedPrimary) {
  World world = Told(Assignment::kStandby);
  Step step = Next(world);
  EXPECT_EQ(step.rule, "be-standby");
  EXPECT_EQ(step.kind, StepKind::kBaseBackup);
  EXPECT_EQ(step.upstream.node, "db1");
  EXPECT_EQ(step.upstream.address, "10.0.0.1");
  EXPECT_EQ(step.slot, "pgmahout_db2");
  EXPECT_EQ(step.memory.data_number, 1U) << "a new directory beside the old one";
  world.desired->may_rebuild = false;
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

TEST(Standby, HalfACopyIsStartedAnew) {
  World world = WithData(Assignment::kStandby, /*standby=*/true);
  world.observation.data.complete = false;
  EXPECT_EQ(Decided(world), "be-standby: base-backup");
}

TEST(Standby, WaitsForTheAddressOfThePrimary) {
  World world = Told(Assignment::kStandby);
  world.desired->members[0].address.clear();
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

TEST(Standby, IsConfiguredThenStartedThenLeftAlone) {
  World world = WithData(Assignment::kStandby, /*standby=*/true);
  world.observation.data.config.clear();
  EXPECT_EQ(Decided(world), "be-standby: configure");
  Configure(world, /*detached=*/false);
  EXPECT_EQ(Decided(world), "be-standby: start");
  EXPECT_EQ(Decided(RunningStandby()), "be-standby: wait");
  EXPECT_EQ(Next(RunningStandby()).reason, "streaming");
}

TEST(Standby, RemovesOldDataOnlyOnceItStreams) {
  World world = RunningStandby();
  world.observation.old_directories = 1;
  EXPECT_EQ(Decided(world), "be-standby: remove-old-data");
  world.observation.sql->receiver_streaming = false;
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

TEST(Standby, RunningPrimaryIsStoppedFirst) {
  World world = RunningPrimary();
  world.desired = Told(Assignment::kStandby).desired;
  EXPECT_EQ(Decided(world), "be-standby: stop");
}

// ---- The ladder of a former primary ----

TEST(Rejoin, CleanlyStoppedBeforeTheForkJustFollows) {
  EXPECT_EQ(Decided(FormerPrimary("shut down", 1, Lsn{999})), "be-standby: mark-standby");
}

TEST(Rejoin, WalBeyondTheForkIsRewoundOnceThenCopied) {
  World world = FormerPrimary("shut down", 1, Lsn{1'000});
  Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kRewind);
  EXPECT_TRUE(step.remember_first) << "once per epoch, even if it never comes back";
  EXPECT_EQ(step.memory.rewind_tried_epoch, kEpoch);
  world.memory = step.memory;
  EXPECT_EQ(Decided(world), "be-standby: base-backup");
  world.memory.rewind_tried_epoch = kEpoch - 1;
  EXPECT_EQ(Decided(world), "be-standby: rewind") << "a later epoch is another try";
}

TEST(Rejoin, CrashedServerIsRewoundWhateverItsCheckpointSays) {
  EXPECT_EQ(Decided(FormerPrimary("in production", 1, Lsn{10})), "be-standby: rewind");
}

// fork_lsn is where timeline 3 left timeline 2. Timeline 1 ended earlier; nobody says where.
TEST(Rejoin, OneThatMissedTwoPromotionsIsRewound) {
  World world = FormerPrimary("shut down", 1, Lsn{999});
  world.desired->upstream_timeline = 3;
  world.desired->parent_timeline = 2;
  EXPECT_EQ(Decided(world), "be-standby: rewind");
}

// Timelines 2 and 3 both left timeline 1: a promotion takes a number that no history file has.
TEST(Rejoin, OneOnASiblingOfTheNewTimelineIsRewound) {
  World world = FormerPrimary("shut down", 2, Lsn{999});
  world.memory.started_epoch = kEpoch - 1;
  world.desired->upstream_timeline = 3;
  EXPECT_EQ(world.desired->parent_timeline, 1u);
  EXPECT_EQ(Decided(world), "be-standby: rewind");
}

// pg_rewind takes equal timeline numbers for one history and leaves diverged WAL in place.
TEST(Rejoin, OneWhoseTimelineNumberWasTakenTwiceIsCopied) {
  World world = FormerPrimary("in production", 2, Lsn{10});
  EXPECT_EQ(Decided(world), "be-standby: base-backup");
}

TEST(Rejoin, NothingIsTouchedBeforeThePrimaryIsConfirmed) {
  World world = FormerPrimary("in production", 1, Lsn{2'000});
  world.desired->may_rebuild = false;
  EXPECT_EQ(Decided(world), "be-standby: wait");
  world.desired->may_rebuild = true;
  world.desired->upstream_timeline = 0;
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

// ---- A standby that cannot follow ----

TEST(Diverged, StandbyBeyondTheForkIsRewound) {
  World world = RunningStandby();
  SqlFacts& sql = *world.observation.sql;
  sql.receiver_streaming = false;
  sql.timeline = 1;
  sql.receive_lsn = Lsn{1'000};
  EXPECT_EQ(Decided(world), "be-standby: wait") << "it ends where the new timeline begins";
  sql.receive_lsn = Lsn{1'001};
  EXPECT_EQ(Decided(world), "be-standby: rewind");
  world.desired->may_rebuild = false;
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

TEST(Diverged, StandbyThatStreamsIsNot) {
  World world = RunningStandby();
  world.observation.sql->timeline = 1;
  world.observation.sql->receive_lsn = Lsn{5'000};
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

// A rewind ended while its source had WAL that nobody else has, and the source died.
TEST(Diverged, StoppedStandbyThatNeedsWalOfATimelineGivenUpIsCopiedAnew) {
  World world = WithData(Assignment::kStandby, /*standby=*/true);
  Configure(world, /*detached=*/false);
  ControlData control;
  control.state = "in archive recovery";
  control.min_recovery_timeline = 1;
  control.min_recovery_lsn = Lsn{1'000};
  world.observation.data.control = control;
  EXPECT_EQ(Decided(world), "be-standby: start") << "it needs what is before the fork only";
  world.observation.data.control->min_recovery_lsn = Lsn{1'001};
  EXPECT_EQ(Decided(world), "be-standby: base-backup");
  world.observation.data.control->min_recovery_timeline = 2;
  EXPECT_EQ(Decided(world), "be-standby: start") << "what it needs is on the upstream's timeline";
  world.observation.data.control->min_recovery_timeline = 1;
  world.desired->fork_lsn = Lsn{};
  EXPECT_EQ(Decided(world), "be-standby: start") << "where the timeline begins is not known";
}

// ---- A standby that nobody can ask ----

TEST(NotConsistentYet, StandbyIsToldWhomToFollowAllTheSame) {
  World world = RunningStandby();
  world.observation.sql.reset();
  world.observation.server = ServerState::kStarting;
  EXPECT_EQ(Decided(world), "be-standby: wait");
  world.observation.reload_is_owed = true;
  EXPECT_EQ(Decided(world), "be-standby: configure");
  world.observation.server = ServerState::kHung;
  EXPECT_EQ(Decided(world), "be-standby: wait") << "it answers later";
}

TEST(Stuck, StandbyThatDoesNotBecomeConsistentIsCopiedAnewAfterAMinute) {
  World world = RunningStandby();
  world.observation.sql.reset();
  world.observation.server = ServerState::kStarting;
  world.observation.not_streaming_since = world.now - Duration{59'999};
  EXPECT_EQ(Decided(world), "be-standby: wait");
  world.observation.not_streaming_since = world.now - Duration{60'000};
  EXPECT_EQ(Decided(world), "be-standby: base-backup");
  world.desired->may_rebuild = false;
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

TEST(Stuck, StandbyThatDoesNotStartIsCopiedAnewOncePerEpoch) {
  World world = RunningStandby();
  world.observation.sql.reset();
  world.observation.postmaster_alive = false;
  world.observation.server = ServerState::kStopped;
  world.observation.not_streaming_since = world.now - Duration{59'999};
  EXPECT_EQ(Decided(world), "be-standby: start");
  world.observation.not_streaming_since = world.now - Duration{60'000};
  EXPECT_EQ(Decided(world), "be-standby: base-backup");
  const Memory memory = Next(world).memory;
  EXPECT_EQ(memory.replaced_epoch, kEpoch);
  EXPECT_EQ(memory.data_number, world.memory.data_number + 1);
  world.memory = memory;
  EXPECT_EQ(Decided(world), "be-standby: start") << "another copy would not start either";
  world.memory.replaced_epoch = kEpoch - 1;
  EXPECT_EQ(Decided(world), "be-standby: base-backup");
  world.desired->may_rebuild = false;
  EXPECT_EQ(Decided(world), "be-standby: start");
}

TEST(Stuck, StandbyIsCopiedAnewAfterAMinuteWithoutStreaming) {
  World world = RunningStandby();
  world.observation.sql->receiver_streaming = false;
  world.observation.not_streaming_since = world.now - Duration{59'999};
  EXPECT_EQ(Decided(world), "be-standby: wait");
  world.observation.not_streaming_since = world.now - Duration{60'000};
  EXPECT_EQ(Decided(world), "be-standby: base-backup");
  world.desired->may_rebuild = false;
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

}  // namespace
}  // namespace pgmahout::agent
