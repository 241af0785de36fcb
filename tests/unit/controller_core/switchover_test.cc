// SPDX-License-Identifier: Apache-2.0
// Switchover: a clean, caught-up stop first, then the same path as a failover.
#include <gtest/gtest.h>

#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

// `node` says, until it obeys again, that the last WAL of the primary has not come.
void HoldBack(Drive& drive, const char* node) {
  drive.node(node).obeys = false;
  drive.node(node).report.receive_lsn = Wal(1);
}

TEST(Switchover, StopsCleanlyAndPromotesTheTarget) {
  Drive drive = Drive::Healthy();
  drive.Feed(SwitchoverRequested{"db3"});
  EXPECT_EQ(drive.durable().stage, Stage::kStopping);
  EXPECT_EQ(drive.PhaseName(), "SwitchingOver");
  EXPECT_EQ(drive.Desired("db1").assignment, Assignment::kStop);
  EXPECT_TRUE(drive.Desired("db1").clean_stop);
  EXPECT_EQ(drive.Desired("db2").assignment, Assignment::kStandby) << "they receive to the end";
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("promote-successor"));
  EXPECT_FALSE(drive.Fired("clean-stop-reached")) << "no vote is needed";
  EXPECT_EQ(drive.durable().epoch, 2U);
  EXPECT_FALSE(drive.durable().planned);
  EXPECT_EQ(drive.durable().target, "");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
}

TEST(Switchover, WithoutATargetTakesTheBest) {
  Drive drive = Drive::Healthy();
  drive.Feed(SwitchoverRequested{""});
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(Switchover, GivesNoLeaseToThePrimaryThatIsStopped) {
  Drive drive = Drive::Healthy();
  drive.Feed(SwitchoverRequested{"db3"});
  ASSERT_EQ(drive.leases().count("db1"), 1U) << "it is told at once";
  EXPECT_EQ(drive.leases().at("db1"), Duration{0});
}

TEST(Switchover, OfAnAsynchronousClusterLosesNothing) {
  ClusterSpec spec = SpecOf(2);
  spec.synchronous.durability = DataDurability::kOff;
  Drive drive = Drive::Healthy(spec);
  drive.Commit();
  drive.Feed(SwitchoverRequested{"db2"});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("promote-successor"));
}

// The archiver may still be busy with the last segment.
TEST(Switchover, ShutdownCheckpointIsEnoughAlthoughTheServerIsStillEnding) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;
  drive.Feed(SwitchoverRequested{"db3"});
  Report& report = drive.node("db1").report;
  report.epoch = drive.durable().epoch;
  report.server = ServerState::kStopping;
  report.role = ServerRole::kUnknown;
  drive.Pass(Duration{1'000});
  EXPECT_EQ(drive.durable().stage, Stage::kStopping) << "it may still commit";
  report.clean_stop = true;
  report.write_lsn = Lsn{drive.node("db3").lsn.value - 120};
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();
}

TEST(Switchover, WhoHasNotReceivedTheShutdownCheckpointIsNotPromoted) {
  Drive drive = Drive::Healthy();
  HoldBack(drive, "db3");
  drive.node("db3").report.receive_lsn = Lsn{drive.node("db1").lsn.value - 120};
  drive.Feed(SwitchoverRequested{"db3"});
  drive.Pass(Duration{400});
  EXPECT_EQ(drive.durable().stage, Stage::kStopping);
  EXPECT_EQ(drive.durable().primary, "db1");
  drive.Pass(Duration{200});
  EXPECT_TRUE(drive.Fired("clean-stop-reached")) << "then votes decide";
}

TEST(Switchover, TargetsVoteIsAwaitedThenTheBestIsTaken) {
  Drive drive = Drive::Healthy();
  HoldBack(drive, "db3");
  drive.Feed(SwitchoverRequested{"db3"});
  drive.Pass(Duration{2'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  drive.node("db3").obeys = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();

  drive = Drive::Healthy();
  HoldBack(drive, "db3");
  drive.Feed(SwitchoverRequested{"db3"});
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(Switchover, GoesBackWhenNobodyCanTakeOver) {
  Drive drive = Drive::Healthy();
  HoldBack(drive, "db2");
  HoldBack(drive, "db3");
  drive.Feed(SwitchoverRequested{"db3"});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db1"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("resume-old-primary"));
  EXPECT_EQ(drive.durable().target, "");
}

TEST(Switchover, StopThatTakesTooLongIsTreatedAsALoss) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;
  drive.Feed(SwitchoverRequested{"db3"});
  drive.Pass(Duration{29'000});
  EXPECT_EQ(drive.durable().stage, Stage::kStopping);
  drive.Pass(Duration{2'000});
  EXPECT_TRUE(drive.Fired("clean-stop-overdue"));
  EXPECT_GT(drive.durable().epoch, 2U);
}

TEST(Switchover, PrimaryThatGoesSilentMeanwhileIsTreatedAsLost) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;
  drive.Feed(SwitchoverRequested{"db3"});
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("clean-stop-overdue"));
}

TEST(Switchover, AgentThatDialsAgainMeanwhileIsNotLost) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;
  drive.Feed(SwitchoverRequested{"db3"});
  drive.Cut("db1");
  drive.Feed(Tick{});
  drive.Heal("db1");
  EXPECT_EQ(drive.durable().stage, Stage::kStopping);
  drive.node("db1").obeys = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().epoch, 2U);
}

// A candidate that was lost before it was confirmed has begun a timeline that nobody else has.
TEST(Switchover, CleanStopOnAnotherTimelineIsNoMeasure) {
  Drive drive = Drive::Healthy();
  HoldBack(drive, "db2");
  HoldBack(drive, "db3");
  drive.Feed(SwitchoverRequested{""});
  drive.Pass(Duration{200});
  drive.node("db1").obeys = false;
  drive.node("db1").report.timeline = 3;
  drive.node("db1").report.write_lsn = Wal(2);
  drive.node("db2").obeys = true;
  drive.node("db3").obeys = true;
  drive.node("db3").votes = false;
  drive.Pass(Duration{2'500});
  EXPECT_EQ(drive.durable().primary, "db1");
  EXPECT_FALSE(drive.Fired("promote-caught-up"));
  EXPECT_FALSE(drive.Fired("promote-successor"));
}

// db3 was away during the last failover: its WAL goes on where the history does not.
TEST(Switchover, WalOfAnEarlierTimelineIsNotTakenForAllOfIt) {
  Drive drive = Drive::Healthy();
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2") && drive.IsHealthy(); }));
  HoldBack(drive, "db1");
  drive.Feed(SwitchoverRequested{""});
  drive.node("db3").obeys = false;
  Report& stale = drive.node("db3").report;
  stale.epoch = drive.durable().epoch;
  stale.receiver_streaming = false;
  stale.ballot = Ballot{drive.durable().epoch, 1, Wal(9'000)};
  drive.Pass(Duration{2'500});
  EXPECT_EQ(drive.durable().primary, "db2");
  EXPECT_FALSE(drive.Fired("promote-caught-up"));
}

}  // namespace
}  // namespace pgmahout::controller
