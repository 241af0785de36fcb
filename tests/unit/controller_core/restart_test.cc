// SPDX-License-Identifier: Apache-2.0
// A controller that restarts in any stage goes on to the same outcome, and promotes nobody before
// a lease that it no longer knows of is over.
#include <gtest/gtest.h>

#include "controller/core/failover.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

TEST(Restart, WhileCreating) {
  Drive drive;
  drive.RestartController();
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().epoch, 1U);
}

TEST(Restart, WhileRunningChangesNothing) {
  Drive drive = Drive::Healthy();
  const Durable before = drive.durable();
  drive.RestartController();
  drive.Pass(Duration{30'000});
  EXPECT_EQ(drive.durable(), before);
  EXPECT_TRUE(drive.IsHealthy()) << drive.PhaseReason();
}

TEST(Restart, WhileRunningWithThePrimaryLostMeanwhile) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db1");
  drive.RestartController();
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(Restart, WhileAQuorumIsBeingChangedStillKnowsTheOlderOne) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;
  drive.node("db1").report.attached = {Attached{"db3", true, "quorum", Wal(109), Wal(109)}};
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum == (Quorum{1, {"db3"}}); }));
  drive.RestartController();
  drive.Pass(Duration{2'000});
  EXPECT_EQ(drive.durable().older, (std::vector<Quorum>{{1, {"db2", "db3"}}}));
  drive.node("db1").obeys = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
}

TEST(Restart, WhileStoppingFinishesTheSwitchover) {
  Drive drive = Drive::Healthy();
  drive.Feed(SwitchoverRequested{"db3"});
  ASSERT_EQ(drive.durable().stage, Stage::kStopping);
  drive.RestartController();
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().epoch, 2U) << "it is the same switchover";
}

TEST(Restart, WhileFencingCollectsTheVotesAgain) {
  Drive drive = Drive::Healthy();
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.RestartController();
  drive.node("db2").votes = true;
  drive.node("db3").votes = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().epoch, 2U);
}

TEST(Restart, WhilePromotingConfirmsTheSameCandidate) {
  Drive drive = Drive::Healthy();
  drive.node("db2").promotes = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  drive.RestartController();
  drive.node("db2").promotes = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().epoch, 2U);
}

TEST(Restart, AcceptedLossStillWaitsForALeaseThatMayHaveBeenGranted) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.Feed(FailoverRequested{"", true});
  drive.RestartController();
  const BootTime restarted = drive.now();
  EXPECT_FALSE(LeaseIsOver(drive.state(), drive.now()));
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_GE(drive.now() - restarted, Duration{10'000});
}

TEST(Restart, SilenceIsCountedFromTheRestart) {
  Drive drive = Drive::Healthy();
  drive.Cut("db1");
  drive.node("db2").streams = false;
  drive.node("db3").streams = false;
  drive.RestartController();
  drive.Pass(Duration{2'500});
  EXPECT_EQ(drive.durable().epoch, 1U) << "the primary's agent gets time to dial in";
}

}  // namespace
}  // namespace pgmahout::controller
