// SPDX-License-Identifier: Apache-2.0
// A rolling restart: standbys first, one at a time, then the primary by switchover or in place.
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

using Nodes = std::vector<std::string>;

std::string Detail(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  return InfoOf(status).detail;
}

std::string WhyNot(const Drive& drive, const RestartRequested& request) {
  return Detail(CheckRestart(drive.state(), request, drive.now()));
}

TEST(RollingRestart, RestartsStandbysOneByOneAndMovesThePrimary) {
  Drive drive = Drive::Healthy();
  drive.node("db2").streams = true;
  drive.Feed(RestartRequested{"", true, false});
  EXPECT_EQ(drive.durable().restart.nodes, (Nodes{"db2", "db3", "db1"}));
  drive.node("db2").streams = false;  // it starts, but does not stream yet
  drive.Pass(Duration{8'000});
  EXPECT_EQ(drive.durable().restart.nodes, (Nodes{"db2", "db3", "db1"})) << "one at a time";
  EXPECT_EQ(drive.node("db3").servers, 1U);
  EXPECT_EQ(drive.node("db2").servers, 2U);
  EXPECT_NE(drive.PhaseReason().find("a rolling restart is under way: db2, then db3, then db1"),
            std::string::npos)
      << drive.PhaseReason();
  drive.node("db2").streams = true;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("restart-over"); }, Duration{60'000}))
      << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("restart-by-switchover"));
  EXPECT_NE(drive.durable().primary, "db1");
  EXPECT_EQ(drive.durable().epoch, 2U);
  EXPECT_EQ(drive.node("db1").servers, 2U) << "it started as a standby, which is its restart";
  EXPECT_EQ(drive.durable().restart, Restart{});
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
}

TEST(RollingRestart, DoesNotTakeTheStreamOfTheOldServerForThatOfTheNewOne) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;  // its report stays as it is: db2 streams
  drive.node("db2").streams = false;
  drive.Feed(RestartRequested{"db2", true, false});
  drive.Pass(Duration{3'000});
  ASSERT_EQ(drive.node("db2").servers, 2U);
  ASSERT_TRUE(drive.state().members.at("db2").attached);
  EXPECT_FALSE(drive.Fired("restarted"));
  drive.node("db2").streams = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.Fired("restarted"); })) << drive.PhaseReason();
}

TEST(RollingRestart, WaitsWhileCommitsMayWaitForSomebodyElse) {
  Drive drive = Drive::Healthy();
  drive.node("db3").streams = false;
  drive.Pass(Duration{500});
  drive.Feed(RestartRequested{"db2", true, false});
  drive.Pass(Duration{2'000});
  EXPECT_EQ(drive.node("db2").servers, 1U) << "db3 is away, and may be one that confirms";
  EXPECT_TRUE(drive.PassUntil([&] { return drive.node("db2").servers == 2; }))
      << "db3 was taken out of the quorum: " << drive.PhaseReason();
}

TEST(RollingRestart, InPlaceKeepsThePrimary) {
  Drive drive = Drive::Healthy();
  drive.Feed(RestartRequested{"db1", true, true});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("restart-over"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("start-again-in-place"));
  EXPECT_TRUE(drive.IsRunning("db1"));
  EXPECT_EQ(drive.node("db1").servers, 2U);
  EXPECT_EQ(drive.durable().epoch, 2U);
  EXPECT_TRUE(drive.durable().target.empty());
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
}

TEST(RollingRestart, OfASingleNodeIsInPlace) {
  Drive drive = Drive::Healthy(SpecOf(1));
  drive.Feed(RestartRequested{"", true, false});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("restart-over"); })) << drive.PhaseReason();
  EXPECT_EQ(drive.node("db1").servers, 2U);
}

TEST(RollingRestart, InPlaceThatDoesNotStopCleanlyBecomesAFailover) {
  Drive drive = Drive::Healthy();
  drive.Feed(RestartRequested{"db1", true, true});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kStopping; }));
  drive.node("db1").obeys = false;
  drive.Crash("db1");
  drive.node("db1").report.epoch = 2;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(RollingRestart, InPlaceThatTakesTooLongBecomesAFailover) {
  Drive drive = Drive::Healthy();
  drive.Feed(RestartRequested{"db1", true, true});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kStopping; }));
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }, Duration{60'000}));
  EXPECT_TRUE(drive.Fired("restart-given-up"));
}

TEST(RollingRestart, TakesOnlyWhoWaitsForIt) {
  Drive drive = Drive::Healthy();
  EXPECT_EQ(WhyNot(drive, {}),
            "db1: no parameter waits for a restart\n        db2: no parameter waits for a restart\n"
            "        db3: no parameter waits for a restart");
  drive.node("db3").report.pending_restart = {"max_connections"};
  drive.Pass(Duration{1'000});
  drive.Feed(RestartRequested{});
  EXPECT_EQ(drive.durable().restart.nodes, Nodes{"db3"});
}

TEST(RollingRestart, IsGivenUpWhenThePrimaryIsLost) {
  Drive drive = Drive::Healthy();
  drive.node("db2").streams = false;
  drive.Pass(Duration{500});
  drive.node("db2").streams = true;
  drive.Feed(RestartRequested{"db3", true, false});
  drive.node("db3").streams = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("restart-given-up"); }));
  EXPECT_EQ(drive.MessageOf("restart-given-up"),
            "the primary changed meanwhile; not restarted: db3");
}

TEST(RollingRestart, IsGivenUpWhenAMemberDoesNotComeBack) {
  Drive drive = Drive::Healthy();
  drive.Feed(RestartRequested{"db2", true, false});
  drive.node("db2").streams = false;
  drive.Pass(Duration{602'000});
  EXPECT_EQ(drive.MessageOf("restart-given-up"),
            "db2 has not come back in time; not restarted: db2");
}

TEST(RollingRestart, IsGivenUpWhenThePrimaryCannotHandOver) {
  Drive drive = Drive::Healthy();
  drive.Feed(RestartRequested{"", true, false});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().restart.nodes.size() == 2; }));
  for (const char* standby : {"db2", "db3"}) {
    drive.node(standby).report.replay_paused = true;
  }
  drive.Pass(Duration{620'000});
  EXPECT_EQ(drive.MessageOf("restart-given-up"),
            "db1 could not be restarted in time; not restarted: db1");
  EXPECT_TRUE(drive.IsRunning("db1"));
}

TEST(RollingRestart, SkipsWhoLeaves) {
  Drive drive = Drive::Healthy();
  drive.Feed(RestartRequested{"", true, false});
  drive.node("db2").streams = false;
  drive.Feed(MaintenanceRequested{"db3", true});
  drive.Feed(SpecApplied{[] {
    ClusterSpec spec = SpecOf(3);
    spec.nodes = {"db1", "db3"};
    return spec;
  }()});
  EXPECT_TRUE(drive.Fired("restart-skips"));
  EXPECT_EQ(drive.durable().restart.nodes, Nodes{"db1"}) << "db2 is gone, db3 in maintenance";
}

TEST(RollingRestart, IsRefusedWithReasons) {
  Drive drive = Drive::Healthy();
  EXPECT_EQ(WhyNot(drive, {"db9", true, false}), "db9 is no member");
  drive.Feed(MaintenanceRequested{"db2", true});
  drive.node("db3").streams = false;
  drive.Crash("db3");
  drive.node("db3").obeys = false;
  drive.Pass(Duration{4'000});
  EXPECT_EQ(WhyNot(drive, {"db2", true, false}), "db2: it is in maintenance");
  EXPECT_EQ(WhyNot(drive, {"db3", true, false}), "db3: its server does not run");
  EXPECT_NE(WhyNot(drive, {"db1", true, false}).find("--in-place restarts it where it is"),
            std::string::npos);
  EXPECT_TRUE(CheckRestart(drive.state(), {"db1", true, true}, drive.now()).ok());
  drive = Drive::Healthy();
  drive.Cut("db2");
  drive.Pass(Duration{4'000});
  EXPECT_EQ(WhyNot(drive, {"db2", true, false}), "the agent of db2 is not heard");
  drive.Heal("db2");
  drive.Pass(Duration{1'000});
  drive.Feed(ReinitRequested{"db2"});
  EXPECT_EQ(WhyNot(drive, {"db3", true, false}), "db2 is being copied anew");
  drive = Drive::Healthy();
  drive.Feed(RestartRequested{"db2", true, false});
  EXPECT_EQ(WhyNot(drive, {"db3", true, false}), "a rolling restart is under way already");
  drive.Feed(RestartRequested{"db3", true, false});
  EXPECT_EQ(drive.durable().restart.nodes, Nodes{"db2"});
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  EXPECT_EQ(WhyNot(drive, {"db3", true, false}),
            "a change of primary is under way, or there is none");
}

TEST(RollingRestart, GoesOnAfterARestartOfTheController) {
  Drive drive = Drive::Healthy();
  drive.Feed(RestartRequested{"", true, false});
  drive.Pass(Duration{300});
  drive.RestartController();
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("restart-over"); }, Duration{60'000}))
      << drive.PhaseReason();
}

}  // namespace
}  // namespace pgmahout::controller
