// SPDX-License-Identifier: Apache-2.0
// Two servers: copying, streaming through the slot, promoting, rewinding, what is kept and what is
// removed.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/integration/agent_postgres/pair.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

bool AnyFileContains(const std::string& directory, const std::string& text) {
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (absl::StrContains(Slurp(entry.path().string()), text)) {
      return true;
    }
  }
  return false;
}

TEST_F(Pair, StandbyStreamsThroughItsSlot) {
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  EXPECT_TRUE(absl::StartsWith(db2.progress.empty() ? "base backup" : db2.progress[0], "base"));
  ExpectArrival(db1, db2, "first");

  const Observation standby = db2.LookUntil([](const Observation& seen) {
    return seen.sql.has_value() && seen.sql->replay_lsn == seen.sql->receive_lsn;
  });
  EXPECT_TRUE(standby.sql->in_recovery);
  EXPECT_EQ(standby.sql->timeline, 1u);
  EXPECT_EQ(standby.sql->receiver_host, "127.0.77.1");
  EXPECT_TRUE(standby.sql->receiver_exists);
  EXPECT_TRUE(standby.data.auto_conf_overrides.empty());
  const Observation primary = db1.LookUntil([](const Observation& seen) {
    return seen.sql.has_value() && !seen.sql->attached.empty() && seen.sql->slots[0].active;
  });
  ASSERT_EQ(primary.sql->attached.size(), 1u);
  EXPECT_EQ(primary.sql->attached[0].node, "db2");
  EXPECT_TRUE(primary.sql->attached[0].streaming);
  EXPECT_EQ(db1.Value("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_replication USING (pid)"), "t");
}

TEST_F(Pair, DetachedStandbyReceivesNothingAndKnowsWhereItsWalEnds) {
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  ExpectArrival(db1, db2, "before");
  Step step = db2.ConfigureStep(/*detached=*/true);
  step.check_config = false;
  ASSERT_TRUE(db2.Run(step).ok());
  const Observation seen = db2.LookUntil([](const Observation& now) {
    return now.sql.has_value() && !now.sql->receiver_exists && now.sql->replayed_all_local;
  });
  EXPECT_TRUE(seen.sql->replayed_all_local);
  EXPECT_EQ(seen.sql->config_id, ConfigIdOf(step.config));
}

// Its WAL does not suffice to be consistent, so that it lets nobody in; a vote has detached it.
TEST_F(Pair, DetachedStandbyThatIsNotConsistentAttachesAgain) {
  ASSERT_TRUE(db2.Run(BackupStep()).ok());
  for (const auto& entry : fs::directory_iterator(db2.DataDirectory() + "/pg_wal")) {
    if (entry.is_regular_file()) {
      fs::remove(entry.path());
    }
  }
  ASSERT_TRUE(db2.Run(db2.ConfigureStep(/*detached=*/true)).ok());
  ASSERT_TRUE(db2.Run(StepKind::kStart).ok());
  const Observation seen = db2.LookUntil([](const Observation& now) {
    return !now.replaying.empty();  // the startup process has got so far as to say so
  });
  EXPECT_EQ(seen.server, ServerState::kStarting) << seen.sql_error;
  EXPECT_EQ(seen.replaying.substr(0, 8), "00000001");
  EXPECT_FALSE(seen.reload_is_owed);

  const absl::Status attached = db2.Run(db2.ConfigureStep());
  ASSERT_TRUE(attached.ok()) << FormatError(attached);
  db2.LookUntil(
      [](const Observation& now) { return now.sql.has_value() && now.sql->receiver_streaming; });
  ExpectArrival(db1, db2, "at last");
}

// As after an agent was ended between writing the configuration and telling the server.
TEST_F(Pair, AgentThatStartsBesideAServerNobodyCanAskOwesItAReload) {
  ASSERT_TRUE(db2.Run(BackupStep()).ok());
  db2.RestartAgent();
  EXPECT_TRUE(db2.Look().reload_is_owed);
}

TEST_F(Pair, CancelledBaseBackupIsRepeatedFromTheStart) {
  db2.on_progress = [this] { db2.instance().CancelStep(); };
  const absl::Status status = db2.Run(BackupStep());
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_EQ(db2.memory.data_number, 0u);
  EXPECT_FALSE(FileExists(db2.DataRoot() + "/pgdata.1"));
  db2.on_progress = nullptr;
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  EXPECT_FALSE(FileExists(db2.DataRoot() + "/pgdata.1.partial"));
}

TEST_F(Pair, BaseBackupGoesOnWithoutItsAgentAndIsUsedByTheNext) {
  ASSERT_NO_FATAL_FAILURE(LeaveABackupThatEnds());
  const absl::Status status = db2.Run(BackupStep());
  ASSERT_TRUE(status.ok()) << FormatError(status);
  EXPECT_TRUE(FileExists(db2.DataDirectory() + "/of-the-first-agent"));
  EXPECT_FALSE(FileExists(BackupJob()));
  ASSERT_NO_FATAL_FAILURE(StartStandby(db2));
}

TEST_F(Pair, BaseBackupOfAnotherEpochIsNotUsed) {
  ASSERT_NO_FATAL_FAILURE(LeaveABackupThatEnds());
  db2.memory.epoch = 2;
  const absl::Status status = db2.Run(BackupStep());
  ASSERT_TRUE(status.ok()) << FormatError(status);
  EXPECT_FALSE(FileExists(db2.DataDirectory() + "/of-the-first-agent"));
}

TEST_F(Pair, BaseBackupWhoseDirectoryIsGoneBeginsAnew) {
  ASSERT_NO_FATAL_FAILURE(LeaveABackupThatEnds());
  fs::remove_all(db2.DataRoot() + "/pgdata.1.partial");
  EXPECT_TRUE(absl::IsDataLoss(db2.Run(BackupStep())));
  const absl::Status status = db2.Run(BackupStep());
  EXPECT_TRUE(status.ok()) << FormatError(status);
}

// It would keep the slot busy that the server streams through.
TEST_F(Pair, StartEndsABaseBackupThatIsNoLongerWanted) {
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  ASSERT_TRUE(db2.Run(StepKind::kStopFast).ok());
  ASSERT_NO_FATAL_FAILURE(LeaveABackup());
  ASSERT_NO_FATAL_FAILURE(StartStandby(db2));
  EXPECT_FALSE(FileExists(BackupJob()));
}

TEST_F(Pair, BaseBackupWithoutASlotSaysSo) {
  Step step = BackupStep();
  step.slot = "pgmahout_nosuch";
  const absl::Status status = db2.Run(step);
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(absl::StrContains(InfoOf(status).detail, "pgmahout_nosuch")) << FormatError(status);
}

TEST_F(Pair, FailoverRewindAndTheWayBack) {
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  ExpectArrival(db1, db2, "shared");

  // db2 detaches and goes on alone while db1 writes what nobody else will ever have.
  ASSERT_TRUE(db2.Run(db2.ConfigureStep(/*detached=*/true)).ok());
  db2.LookUntil([](const Observation& now) { return now.sql && !now.sql->receiver_exists; });
  const BootTime start = SystemClock().Now();
  ASSERT_TRUE(db2.Run(StepKind::kPromote).ok());
  const Duration took = SystemClock().Now() - start;
  std::printf("figure: promote: %d ms\n", static_cast<int>(took.count()));
  EXPECT_LT(took.count(), 1'000);
  const Observation promoted = db2.Look();
  ASSERT_TRUE(promoted.sql.has_value());
  EXPECT_FALSE(promoted.sql->in_recovery);
  EXPECT_EQ(promoted.sql->timeline, 2u);
  EXPECT_TRUE(promoted.sql->fork_lsn.valid());
  EXPECT_EQ(promoted.sql->parent_timeline, 1u);
  db1.Sql("INSERT INTO public.marker SELECT 'diverged ' || g FROM generate_series(1, 2000) g");
  db2.Sql("INSERT INTO public.marker VALUES ('new timeline')");
  ASSERT_TRUE(db2.Run(StepKind::kCheckpoint).ok());
  Step slots = db2.NewStep(StepKind::kEnsureSlots);
  slots.slots.create = {"pgmahout_db1"};
  ASSERT_TRUE(db2.Run(slots).ok());

  const std::optional<Lsn> flushed = ParseLsn(db1.Value("SELECT pg_current_wal_flush_lsn()"));
  // db1 dies as a VM does: no checkpoint, no clean stop.
  ASSERT_TRUE(db1.instance().Kill(Duration{5'000}).ok());
  Follow(db1, db2);
  db1.memory.epoch = 2;
  db1.desired.fork_lsn = promoted.sql->fork_lsn;
  db1.desired.upstream_timeline = 2;
  db1.desired.parent_timeline = 1;
  const std::string config = db1.Look().data.config;
  Step rewind = db1.NewStep(StepKind::kRewind);
  rewind.upstream = db2.AsMember();
  const absl::Status rewound = db1.Run(rewind);
  ASSERT_TRUE(rewound.ok()) << FormatError(rewound);
  EXPECT_TRUE(db1.Look().data.complete);
  EXPECT_GT(db1.Look().data.control->min_recovery_lsn, promoted.sql->fork_lsn);
  EXPECT_EQ(db1.Look().data.control->min_recovery_timeline, 2u);
  EXPECT_EQ(db1.Look().data.config, config) << "not that of the source, as if a person wrote it";
  ASSERT_NO_FATAL_FAILURE(StartStandby(db1));
  EXPECT_EQ(db1.LookUntil([](const Observation& now) { return now.sql.has_value(); }).sql->timeline,
            2u);
  EXPECT_EQ(db1.Value("SELECT count(*) FROM public.marker WHERE text LIKE 'diverged%'"), "0");
  ExpectArrival(db2, db1, "after the rewind");
  EXPECT_TRUE(AnyFileContains(db1.DataRoot() + "/diverged/epoch-2", "diverged 1999"))
      << "what only db1 had must be kept";
  const std::optional<DivergedWal> lost = db1.Look().diverged;
  ASSERT_TRUE(lost.has_value()) << "a person is told what was lost";
  EXPECT_EQ(lost->timeline, 1u);
  EXPECT_EQ(lost->from, promoted.sql->fork_lsn);
  EXPECT_GE(lost->to, *flushed);
  EXPECT_LE(lost->to.value, flushed->value + 100'000) << "not what a recycled segment holds";

  // What the old primary may not have archived is pushed by the new one.
  ASSERT_TRUE(db2.Run(StepKind::kBackfillArchive).ok());
  EXPECT_TRUE(FileExists(site.path() + "/archive/00000002.history"));
}

// With archive_mode on a shutdown fills the current segment up: what is free in it then has to be
// sent while nobody can write.
TEST_F(Pair, BeforeASwitchoverTheSegmentIsNearlyFilled) {
  const char kFree[] = "SELECT 16777216 - (pg_current_wal_insert_lsn() - '0/0') % 16777216";
  const char kSegment[] = "SELECT pg_walfile_name(pg_current_wal_insert_lsn())";
  const std::string segment = db1.Value(kSegment);
  Step step = db1.NewStep(StepKind::kCheckpoint);
  step.fill_segment = true;
  const absl::Status filled = db1.Run(step);
  ASSERT_TRUE(filled.ok()) << FormatError(filled);
  EXPECT_EQ(db1.Value(kSegment), segment);
  EXPECT_LE(std::stoi(db1.Value(kFree)), 16'777'216 / 16);
  ASSERT_TRUE(db1.Run(step).ok());
  EXPECT_EQ(db1.Value(kSegment), segment) << "a repetition writes nothing more";
}

TEST_F(Pair, SegmentThatNobodyConfirmsIsNotWaitedForLong) {
  db1.desired.quorum = Quorum{1, {"db2"}};
  ASSERT_TRUE(db1.Run(db1.ConfigureStep()).ok());
  Step step = db1.NewStep(StepKind::kCheckpoint);
  step.fill_segment = true;
  const BootTime start = SystemClock().Now();
  const absl::Status filled = db1.Run(step);
  EXPECT_TRUE(filled.ok()) << FormatError(filled);
  EXPECT_LT((SystemClock().Now() - start).count(), 10'000);
}

// pg_rewind reads the source's timeline from its last checkpoint: before the first one after a
// promotion both servers seem to be on the same timeline, and it calls that success.
TEST_F(Pair, RewindThatFoundNothingToDoIsAFailure) {
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());
  Step rewind = db1.NewStep(StepKind::kRewind);
  rewind.upstream = db2.AsMember();
  db1.desired.upstream_timeline = 1;
  const absl::Status status = db1.Run(rewind);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << FormatError(status);
  EXPECT_TRUE(absl::StrContains(status.message(), "the same timeline"));
  EXPECT_FALSE(db1.Look().data.complete) << "it is copied anew, not started";
}

TEST_F(Pair, CopyOfAFormerPrimaryKeepsItsWalToo) {
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  ASSERT_TRUE(db2.Run(db2.ConfigureStep(/*detached=*/true)).ok());
  db2.LookUntil([](const Observation& now) { return now.sql && !now.sql->receiver_exists; });
  ASSERT_TRUE(db2.Run(StepKind::kPromote).ok());
  db1.Sql("INSERT INTO public.marker SELECT 'diverged ' || g FROM generate_series(1, 2000) g");
  ASSERT_TRUE(db2.Run(StepKind::kCheckpoint).ok());
  Step slots = db2.NewStep(StepKind::kEnsureSlots);
  slots.slots.create = {"pgmahout_db1"};
  ASSERT_TRUE(db2.Run(slots).ok());
  ASSERT_TRUE(db1.instance().Kill(Duration{5'000}).ok());
  Follow(db1, db2);
  db1.memory.epoch = 3;
  db1.desired.upstream_timeline = 3;  // as if a further promotion lay in between
  db1.desired.parent_timeline = 2;
  Step copy = db1.NewDataStep(StepKind::kBaseBackup);
  copy.upstream = db2.AsMember();
  copy.slot = "pgmahout_db1";
  const absl::Status copied = db1.Run(copy);
  ASSERT_TRUE(copied.ok()) << FormatError(copied);
  EXPECT_TRUE(AnyFileContains(db1.DataRoot() + "/diverged/epoch-3", "diverged 1999"));
  ASSERT_TRUE(db1.Look().diverged.has_value());
  EXPECT_EQ(db1.Look().diverged->timeline, 1u);
  EXPECT_FALSE(db1.Look().diverged->from.valid())
      << "the new timeline's history does not tell here";
  EXPECT_TRUE(db1.Look().diverged->to.valid());
}

TEST_F(Pair, InterruptedRewindLeavesADirectoryThatIsNotUsed) {
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  ASSERT_TRUE(db2.Run(db2.ConfigureStep(/*detached=*/true)).ok());
  ASSERT_TRUE(db2.Run(StepKind::kPromote).ok());
  ASSERT_TRUE(db2.Run(StepKind::kCheckpoint).ok());
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());
  Step rewind = db1.NewStep(StepKind::kRewind);
  rewind.upstream = db2.AsMember();
  rewind.upstream.port = FreePort("127.0.77.2");  // nobody listens there
  const absl::Status status = db1.Run(rewind);
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(absl::StrContains(InfoOf(status).detail, "127.0.77.2")) << FormatError(status);
  EXPECT_FALSE(db1.Look().data.complete);
}

TEST_F(Pair, NewCopyReplacesTheOldOneOnlyWhenItIsWhole) {
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  const pid_t before = db2.Postmaster();
  Step broken = BackupStep();
  broken.slot = "pgmahout_nosuch";
  EXPECT_FALSE(db2.Run(broken).ok());
  EXPECT_EQ(db2.Postmaster(), before) << "the old copy serves until there is a new one";

  // The slot is in use by the server that still streams, so the copy uses another one.
  Step slots = db1.NewStep(StepKind::kEnsureSlots);
  slots.slots.create = {"pgmahout_db2_new"};
  ASSERT_TRUE(db1.Run(slots).ok());
  Step step = BackupStep();
  step.slot = "pgmahout_db2_new";
  const absl::Status status = db2.Run(step);
  ASSERT_TRUE(status.ok()) << FormatError(status);
  EXPECT_EQ(db2.memory.data_number, 2u);
  EXPECT_EQ(db2.Look().old_directories, 1u);
  ASSERT_NO_FATAL_FAILURE(StartStandby(db2));

  fs::create_directory(db2.DataRoot() + "/pgdata.7");  // not ours to remove
  ASSERT_TRUE(db2.Run(StepKind::kRemoveOldData).ok());
  EXPECT_FALSE(FileExists(db2.DataRoot() + "/pgdata.1"));
  EXPECT_TRUE(FileExists(db2.DataRoot() + "/pgdata.2"));
  EXPECT_TRUE(FileExists(db2.DataRoot() + "/pgdata.7"));
}

TEST_F(Pair, CleanlyStoppedPrimaryFollowsAfterMarking) {
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  ExpectArrival(db1, db2, "before the switchover");
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());
  ASSERT_TRUE(db2.Run(db2.ConfigureStep(/*detached=*/true)).ok());
  ASSERT_TRUE(db2.Run(StepKind::kPromote).ok());
  Step slots = db2.NewStep(StepKind::kEnsureSlots);
  slots.slots.create = {"pgmahout_db1"};
  ASSERT_TRUE(db2.Run(slots).ok());
  Follow(db1, db2);
  db1.desired.fork_lsn =
      db2.LookUntil([](const Observation& now) { return now.sql.has_value(); }).sql->fork_lsn;
  db1.desired.upstream_timeline = 2;
  db1.desired.parent_timeline = 1;
  ASSERT_TRUE(db1.Run(StepKind::kMarkStandby).ok());
  ASSERT_TRUE(db1.Look().diverged.has_value());
  EXPECT_EQ(db1.Look().diverged->from, db1.Look().diverged->to) << "nothing was lost";
  ASSERT_NO_FATAL_FAILURE(StartStandby(db1));
  ExpectArrival(db2, db1, "after the switchover");
}

TEST_F(Pair, CrashedPrimaryThatIsMadeAVoterHasAllItsWal) {
  db1.Sql("INSERT INTO public.marker VALUES ('only here')");
  const std::optional<Lsn> flushed = ParseLsn(db1.Value("SELECT pg_current_wal_flush_lsn()"));
  ASSERT_TRUE(flushed.has_value());
  ASSERT_TRUE(db1.instance().Kill(Duration{5'000}).ok());
  db1.desired.assignment = Assignment::kPrepare;
  ASSERT_TRUE(db1.Run(StepKind::kMarkVoter).ok());
  ASSERT_TRUE(db1.Run(db1.ConfigureStep(/*detached=*/true)).ok());
  const absl::Status started = db1.Run(StepKind::kStart);
  ASSERT_TRUE(started.ok()) << FormatError(started);
  const Observation voter = db1.LookUntil(
      [](const Observation& now) { return now.sql.has_value() && now.sql->replayed_all_local; });
  ASSERT_TRUE(voter.sql.has_value());
  EXPECT_TRUE(voter.sql->in_recovery);
  EXPECT_GE(voter.sql->replay_lsn, *flushed);
  EXPECT_FALSE(voter.diverged.has_value()) << "nobody knows yet what is lost";
  ASSERT_TRUE(db1.Run(StepKind::kPromote).ok());
  EXPECT_EQ(db1.Value("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"), "00000002");
  EXPECT_EQ(db1.Value("SELECT count(*) FROM public.marker WHERE text = 'only here'"), "1");
}

}  // namespace
}  // namespace pgmahout::agent
