// SPDX-License-Identifier: Apache-2.0
// A paused cluster: nothing is repaired or moved, writes go on, and what is held back is told.
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

bool Says(const Drive& drive, const std::string& text) {
  return drive.PhaseReason().find(text) != std::string::npos;
}

Drive Paused(ClusterSpec spec = SpecOf(3)) {
  Drive drive = Drive::Healthy(std::move(spec));
  drive.Feed(PauseRequested{true});
  drive.Pass(Duration{1'000});
  return drive;
}

TEST(Pause, KeepsLeasesAndSaysHowToEndIt) {
  Drive drive = Paused();
  EXPECT_EQ(drive.PhaseName(), "Paused");
  EXPECT_TRUE(Says(drive, "pgmahout cluster resume orders")) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("paused"));
  EXPECT_TRUE(drive.durable().paused) << "it outlives a restart of the controller";
  drive.Forget();
  drive.Feed(PauseRequested{true});
  EXPECT_FALSE(drive.Fired("paused")) << "twice is once";
  drive.Feed(AgentReported{"db1", 1'000, drive.node("db1").report});
  EXPECT_GT(drive.leases().at("db1"), Duration{0});
  EXPECT_TRUE(drive.Desired("db1").hands_off);
  EXPECT_FALSE(drive.Desired("db2").may_rebuild);
}

TEST(Pause, PromotesNobodyUntilItEnds) {
  Drive drive = Paused();
  drive.Crash("db1");
  drive.Pass(Duration{60'000});
  EXPECT_TRUE(drive.IsRunning("db1"));
  EXPECT_EQ(drive.durable().epoch, 1U);
  EXPECT_EQ(drive.PhaseName(), "Paused");
  EXPECT_TRUE(Says(drive, "held back: primary-reports-down of db1")) << drive.PhaseReason();
  drive.Feed(PauseRequested{false});
  EXPECT_TRUE(drive.PassUntil([&] { return drive.durable().primary != "db1"; }));
  EXPECT_TRUE(drive.Fired("resumed"));
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
}

TEST(Pause, OutlivesASilentPrimaryAndLooksAnewAfterwards) {
  Drive drive = Paused();
  drive.KillVm("db1");
  drive.Pass(Duration{30'000});
  EXPECT_EQ(drive.durable().epoch, 1U);
  drive.Feed(PauseRequested{false});
  drive.Pass(Duration{2'500});
  EXPECT_EQ(drive.durable().epoch, 1U) << "detectAfter is counted from the end of the pause";
  EXPECT_TRUE(drive.PassUntil([&] { return drive.durable().primary != "db1"; }));
}

TEST(Pause, GivesARestartingPrimaryItsTimeAnew) {
  ClusterSpec spec = SpecOf(3);
  spec.failover.restart_on_crash = true;
  Drive drive = Paused(spec);
  drive.Crash("db1");
  drive.Pass(Duration{60'000});
  drive.Feed(PauseRequested{false});
  drive.Pass(Duration{5'000});
  EXPECT_EQ(drive.durable().epoch, 1U);
}

TEST(Pause, StartsAndCopiesNoStandby) {
  Drive drive = Paused();
  drive.Crash("db2");
  drive.node("db3").report.data_is_complete = false;
  drive.node("db3").streams = false;
  drive.Pass(Duration{5'000});
  EXPECT_TRUE(Says(drive, "PostgreSQL on db2 would be started")) << drive.PhaseReason();
  EXPECT_TRUE(Says(drive, "db3 would be copied anew")) << drive.PhaseReason();
  EXPECT_EQ(drive.node("db2").report.server, ServerState::kStopped);
  drive.Pass(Duration{15'000});
  EXPECT_EQ(drive.durable().quorum.number, 0U) << "writes do not wait for who was stopped";
}

TEST(Pause, RefusesWhatWouldMoveSomething) {
  Drive drive = Paused();
  for (const absl::Status& refused :
       {CheckSwitchover(drive.state(), "", drive.now()),
        CheckReinit(drive.state(), {"db2"}, drive.now()),
        CheckRestart(drive.state(), {"", true, false}, drive.now()),
        CheckMaintenance(drive.state(), {"db1", true}, drive.now())}) {
    EXPECT_EQ(InfoOf(refused).detail, "the cluster is paused") << refused;
  }
  EXPECT_TRUE(CheckMaintenance(drive.state(), {"db2", true}, drive.now()).ok());
}

TEST(Pause, LetsAPersonFailOver) {
  Drive drive = Paused();
  drive.Crash("db1");
  drive.Pass(Duration{2'000});
  drive.Feed(FailoverRequested{"db3", false});
  EXPECT_FALSE(drive.Desired("db2").hands_off) << "a change of primary is carried to its end";
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.durable().paused);
  EXPECT_EQ(drive.PhaseName(), "Paused");
}

TEST(Pause, CannotBeginWhileThePrimaryChanges) {
  Drive drive = Drive::Healthy();
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  EXPECT_FALSE(CheckPause(drive.state(), {true}, drive.now()).ok());
  EXPECT_TRUE(CheckPause(drive.state(), {false}, drive.now()).ok());
  drive.Feed(PauseRequested{true});
  EXPECT_FALSE(drive.durable().paused);
}

TEST(Pause, EndsWhatIsUnderWay) {
  Drive drive = Drive::Healthy();
  drive.node("db2").copies = false;
  drive.Feed(ReinitRequested{"db2"});
  drive.Pass(Duration{5'000});
  ASSERT_TRUE(drive.durable().reinit.is_ordered);
  drive.Feed(PauseRequested{true});
  EXPECT_TRUE(drive.Fired("reinit-given-up"));
  EXPECT_EQ(drive.durable().reinit, Reinit{});
  drive = Drive::Healthy();
  drive.Feed(RestartRequested{"", true, false});
  drive.Feed(PauseRequested{true});
  EXPECT_EQ(drive.MessageOf("restart-given-up"),
            "the cluster was paused; not restarted: db2, db3, db1");
  EXPECT_EQ(drive.durable().restart, Restart{});
}

}  // namespace
}  // namespace pgmahout::controller
