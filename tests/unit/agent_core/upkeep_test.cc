// SPDX-License-Identifier: Apache-2.0
// What is found wrong on the way is put right first; what cannot be known yet is awaited.
#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/match.h"
#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

// ---- Files that are not as they should be ----

TEST(Upkeep, PgHbaThatWasEditedByHandIsPutBack) {
  World world = RunningPrimary();
  world.observation.data.hba += "host all all all trust\n";
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kConfigure);
  EXPECT_EQ(step.hba, RenderHba(*world.desired));
}

TEST(Upkeep, RenewedCertificateIsHandedToTheServer) {
  World world = RunningPrimary();
  world.observation.data.certificate_differs = true;
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kConfigure);
  EXPECT_TRUE(absl::StrContains(step.reason, "certificate")) << step.reason;
}

// A wrong configuration may be why it does not stream: no copy for that.
TEST(Upkeep, ConfigurationOfAStandbyIsPutRightBeforeItIsCopiedAnew) {
  World world = RunningStandby();
  world.observation.sql->receiver_streaming = false;
  world.observation.not_streaming_since = world.now - Duration{600'000};
  ASSERT_EQ(Decided(world), "be-standby: base-backup");
  world.observation.data.config += "primary_conninfo = ''\n";
  EXPECT_EQ(Decided(world), "be-standby: configure");
}

// pg_rewind takes restore_command from there.
TEST(Upkeep, ConfigurationOfAFormerPrimaryIsWrittenBeforeItIsRewound) {
  World world = FormerPrimary("in production", 1, Lsn{2'000});
  ASSERT_EQ(Decided(world), "be-standby: rewind");
  world.observation.data.config.clear();
  EXPECT_EQ(Decided(world), "be-standby: configure");
}

// ---- What cannot be known yet ----

TEST(Upstream, IsWhoeverTheOrdersName) {
  World world = Told(Assignment::kStandby);
  world.desired->upstream = "db3";
  EXPECT_EQ(Next(world).upstream.address, "10.0.0.3");
  EXPECT_TRUE(absl::StrContains(RenderConfig(*world.desired, world.context, false), "10.0.0.3"));
}

TEST(Upstream, ThatIsNoMemberIsAwaitedAndNotFollowed) {
  World world = WithData(Assignment::kStandby, /*standby=*/true);
  world.desired->upstream = "db9";
  EXPECT_EQ(Decided(world), "be-standby: wait");
  EXPECT_TRUE(absl::StrContains(RenderConfig(*world.desired, world.context, false),
                                "primary_conninfo = ''\n"));
}

TEST(Rejoin, WaitsUntilTheControlFileWasRead) {
  World world = FormerPrimary("shut down", 1, Lsn{999});
  ASSERT_EQ(Decided(world), "be-standby: mark-standby");
  world.observation.data.control.reset();
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

TEST(Standby, ServerThatDoesNotAnswerYetIsAwaited) {
  World world = RunningStandby();
  world.observation.sql.reset();
  EXPECT_EQ(Decided(world), "be-standby: wait");
  EXPECT_EQ(Next(world).reason, "the server does not accept connections yet");
}

// Data is given up only for what is known to have diverged (I7).
TEST(Diverged, NeedsATimelineAndAFork) {
  World diverged = RunningStandby();
  diverged.observation.sql->receiver_streaming = false;
  diverged.observation.sql->timeline = 1;
  diverged.observation.sql->receive_lsn = Lsn{1'001};
  ASSERT_EQ(Decided(diverged), "be-standby: rewind");
  World world = diverged;
  world.observation.sql->timeline = 0;
  EXPECT_EQ(Decided(world), "be-standby: wait") << "its own timeline is not known";
  world = diverged;
  world.desired->fork_lsn = Lsn{};
  EXPECT_EQ(Decided(world), "be-standby: wait") << "the primary's timeline has no parent";
  world = diverged;
  world.observation.sql->timeline = 2;
  EXPECT_EQ(Decided(world), "be-standby: wait") << "it is on the primary's timeline";
}

// ---- Becoming primary, and ceasing to be ----

// ALTER SYSTEM or an option of postgres may be stronger than our file (I2).
TEST(Promotion, WaitsWhileSomethingElseSetsTheQuorum) {
  World world = Running(Assignment::kPrimary, /*standby=*/true);
  GrantLease(world, Duration{10'000});
  ASSERT_EQ(Decided(world), "be-primary: promote");
  world.observation.sql->synchronous_standby_names = "";
  EXPECT_EQ(Decided(world), "be-primary: wait");
  EXPECT_EQ(Next(world).reason, "the server has not loaded the quorum yet");
}

TEST(CleanStop, HasACheckpointFirstThatIsMadeOnce) {
  World world = RunningPrimary();
  world.desired->assignment = Assignment::kStop;
  world.desired->clean_stop = true;
  world.memory.checkpointed_epoch = kEpoch - 1;
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kCheckpoint);
  EXPECT_TRUE(step.fill_segment);
  world.memory = step.memory;
  EXPECT_EQ(Decided(world), "stop-as-ordered: stop");
  EXPECT_EQ(Next(world).kill_after, Duration{25'000}) << "standbys receive to the end";
}

TEST(CleanStop, DoesNotWaitForACheckpointThatCannotBeMade) {
  World silent = RunningPrimary();
  silent.desired->assignment = Assignment::kStop;
  silent.desired->clean_stop = true;
  silent.memory.checkpointed_epoch = kEpoch - 1;
  silent.observation.sql.reset();
  EXPECT_EQ(Decided(silent), "stop-as-ordered: stop") << "no connection answers";
  World standby = Running(Assignment::kStop, /*standby=*/true);
  standby.desired->clean_stop = true;
  EXPECT_EQ(Decided(standby), "stop-as-ordered: stop") << "it writes no WAL";
}

// PostgreSQL refuses to move a slot that a receiver uses.
TEST(Slots, OfAStandbyAreLeftAloneWhileTheyAreInUse) {
  World world = RunningStandby();
  SqlFacts& sql = *world.observation.sql;
  sql.replay_lsn = Lsn{40 << 20};
  sql.slots = {{"pgmahout_db1", false, Lsn{39 << 20}}, {"pgmahout_db3", false, Lsn{1 << 20}}};
  world.member_lsn["db3"] = Lsn{40 << 20};
  ASSERT_EQ(Next(world).kind, StepKind::kEnsureSlots);
  sql.slots[1].active = true;
  EXPECT_EQ(Next(world).kind, StepKind::kWait);
}

// ---- What must not be forgotten ----

// The daemon stores the memory of a step when it differs from what is on disk.
TEST(Memory, IsAnotherWithAnyFieldChanged) {
  const std::vector<void (*)(Memory&)> changes = {
      [](Memory& memory) { memory.epoch += 1; },
      [](Memory& memory) { memory.cluster = "other"; },
      [](Memory& memory) { memory.system_identifier += 1; },
      [](Memory& memory) { memory.data_number += 1; },
      [](Memory& memory) { memory.started_epoch += 1; },
      [](Memory& memory) { memory.rewind_tried_epoch += 1; },
      [](Memory& memory) { memory.replaced_epoch += 1; },
      [](Memory& memory) { memory.backfilled_epoch += 1; },
      [](Memory& memory) { memory.checkpointed_epoch += 1; },
      [](Memory& memory) { memory.alone_epoch += 1; },
  };
  const Memory before = RunningPrimary().memory;
  for (size_t i = 0; i < changes.size(); ++i) {
    Memory after = before;
    EXPECT_TRUE(after == before);
    changes[i](after);
    EXPECT_FALSE(after == before) << "field " << i;
  }
}

}  // namespace
}  // namespace pgmahout::agent
