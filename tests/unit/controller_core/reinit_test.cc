// SPDX-License-Identifier: Apache-2.0
// A new copy of a standby: first nothing rests on the old one, then one order, and never of a copy
// that may be the most advanced (I7).
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "controller/core/status.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

std::string WhyNot(const Drive& drive, const std::string& node) {
  const absl::Status status = CheckReinit(drive.state(), {node}, drive.now());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  return InfoOf(status).detail;
}

TEST(Reinit, LeavesTheQuorumThenCopiesThenReturns) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;  // it has not taken the new quorum up yet
  drive.Feed(ReinitRequested{"db3"});
  drive.Pass(Duration{3'000});
  EXPECT_FALSE(drive.durable().reinit.is_ordered);
  EXPECT_EQ(drive.Desired("db3").rebuild_directory, 0U) << "a commit may still rest on it";
  EXPECT_NE(drive.PhaseReason().find("db3 leaves the quorum"), std::string::npos);
  EXPECT_EQ(SyncStateOf(drive.state(), "db3"), "leaving");
  drive.node("db3").copies = false;
  drive.node("db1").obeys = true;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().reinit.is_ordered; }));
  EXPECT_EQ(drive.Desired("db3").rebuild_directory, 1U);
  EXPECT_EQ(drive.Desired("db2").rebuild_directory, 0U);
  drive.Pass(Duration{3'000});
  EXPECT_NE(drive.PhaseReason().find("db3 is copied anew"), std::string::npos);
  drive.node("db3").copies = true;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("reinit-done"); }));
  EXPECT_EQ(drive.node("db3").report.data_number, 2U);
  EXPECT_EQ(drive.Desired("db3").rebuild_directory, 0U);
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().quorum.standbys.size(), 2U);
}

TEST(Reinit, IsGivenUpWhenThePrimaryChanges) {
  Drive drive = Drive::Healthy();
  drive.node("db3").copies = false;
  drive.Feed(ReinitRequested{"db3"});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().reinit.is_ordered; }));
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("reinit-given-up"));
  EXPECT_EQ(drive.durable().reinit, Reinit{});
}

TEST(Reinit, IsGivenUpWithTheMembership) {
  Drive drive = Drive::Healthy();
  drive.node("db3").copies = false;
  drive.Feed(ReinitRequested{"db3"});
  drive.Pass(Duration{3'000});
  drive.Feed(SpecApplied{SpecOf(2)});
  EXPECT_TRUE(drive.Fired("reinit-given-up"));
}

TEST(Reinit, WaitsForAPrimaryThatIsHeard) {
  Drive drive = Drive::Healthy();
  drive.Feed(ReinitRequested{"db3"});
  drive.Cut("db1");
  drive.Pass(Duration{5'000});
  EXPECT_FALSE(drive.durable().reinit.is_ordered);
}

TEST(Reinit, IsRefusedWithAReason) {
  Drive drive = Drive::Healthy(SpecOf(4));
  EXPECT_EQ(WhyNot(drive, "db9"), "db9 is no member");
  EXPECT_EQ(WhyNot(drive, "db1"), "db1 is the primary; switch over first");
  drive.Feed(MaintenanceRequested{"db4", true});
  EXPECT_EQ(WhyNot(drive, "db4"), "db4 is in maintenance");
  drive.Cut("db3");
  drive.Pass(Duration{4'000});
  EXPECT_EQ(WhyNot(drive, "db3"), "the agent of db3 is not heard");
  drive.Feed(ReinitRequested{"db2"});
  EXPECT_EQ(WhyNot(drive, "db3"), "db2 is being copied anew already");
  drive = Drive::Healthy();
  drive.Feed(RestartRequested{"db3", true, false});
  EXPECT_EQ(WhyNot(drive, "db2"), "a rolling restart is under way");
}

TEST(Reinit, IsRefusedWithoutAPrimaryToCopyFrom) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;
  const Report good = drive.node("db1").report;
  drive.node("db1").report.writable_epoch = 0;
  drive.Pass(Duration{1'000});
  EXPECT_EQ(WhyNot(drive, "db2"), "the primary db1 is not heard or does not run");
  drive.node("db1").report = good;
  drive.node("db1").report.server = ServerState::kHung;
  drive.Pass(Duration{1'000});
  EXPECT_EQ(WhyNot(drive, "db2"), "the primary db1 is not heard or does not run");
  drive.Cut("db1");
  EXPECT_EQ(WhyNot(drive, "db2"), "the primary db1 is not heard or does not run");
  drive = Drive::Healthy();
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  EXPECT_EQ(WhyNot(drive, "db2"), "a change of primary is under way, or there is none");
}

TEST(Reinit, SparesTheMostAdvancedCopy) {
  Drive drive = Drive::Healthy();
  drive.node("db2").obeys = false;
  Report& report = drive.node("db2").report;
  const Report good = report;
  report.receive_lsn.value += 1;
  drive.Pass(Duration{1'000});
  EXPECT_TRUE(CheckReinit(drive.state(), {"db2"}, drive.now()).ok())
      << "what it streams is ahead of the primary's last report all the time";
  drive.node("db2").streams = false;
  report.receive_lsn = Wal(900);
  drive.Pass(Duration{1'000});
  EXPECT_NE(WhyNot(drive, "db2").find("may hold the most advanced copy"), std::string::npos);
  report = good;
  report.timeline = 2;
  drive.Pass(Duration{1'000});
  EXPECT_NE(WhyNot(drive, "db2").find("timeline 2"), std::string::npos);
  report = good;
  report.data_number = 0;
  drive.Pass(Duration{1'000});
  EXPECT_EQ(WhyNot(drive, "db2"), "db2 has no data directory yet; it is copied anyway");
}

TEST(Reinit, IsRefusedWhereWritesWouldWait) {
  ClusterSpec spec = SpecOf(2);
  spec.synchronous.durability = DataDurability::kRequired;
  Drive drive = Drive::Healthy(spec);
  EXPECT_NE(WhyNot(drive, "db2").find("writes would wait"), std::string::npos);
  drive.Feed(ReinitRequested{"db2"});
  EXPECT_TRUE(drive.durable().reinit.node.empty());
}

}  // namespace
}  // namespace pgmahout::controller
