// SPDX-License-Identifier: Apache-2.0
// A member in maintenance: nothing rests on it, and it is nobody's primary.
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "controller/core/eligibility.h"
#include "controller/core/status.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

using Nodes = std::vector<std::string>;

std::string Detail(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  return InfoOf(status).detail;
}

Drive WithMaintenance(const std::string& node, ClusterSpec spec = SpecOf(3)) {
  Drive drive = Drive::Healthy(std::move(spec));
  drive.Feed(MaintenanceRequested{node, true});
  drive.Pass(Duration{5'000});
  return drive;
}

TEST(Maintenance, LeavesTheQuorumAndTheNamesButIsNoComplaint) {
  Drive drive = Drive::Healthy();
  drive.Feed(MaintenanceRequested{"db3", true});
  EXPECT_EQ(SyncStateOf(drive.state(), "db3"), "leaving") << "until the primary confirms it";
  drive.Pass(Duration{5'000});
  EXPECT_EQ(drive.durable().quorum.standbys, Nodes{"db2"});
  EXPECT_TRUE(drive.durable().older.empty());
  EXPECT_EQ(SyncStateOf(drive.state(), "db3"), "async");
  EXPECT_EQ(drive.durable().names.standby_addresses, Nodes{"10.0.0.2"});
  EXPECT_EQ(WhyNotEligible(drive.state(), "db3", drive.now()), "it is in maintenance");
  EXPECT_TRUE(drive.Desired("db3").hands_off);
  EXPECT_FALSE(drive.Desired("db2").hands_off);
  drive.Crash("db3");
  drive.Pass(Duration{20'000});
  EXPECT_EQ(drive.PhaseReason(), "Healthy: in maintenance: db3");
  drive.Feed(MaintenanceRequested{"db3", false});
  EXPECT_TRUE(drive.PassUntil([&] { return drive.durable().quorum.standbys.size() == 2; }));
  EXPECT_TRUE(drive.Fired("maintenance-ended"));
}

TEST(Maintenance, TwiceIsOnce) {
  Drive drive = WithMaintenance("db3");
  drive.Forget();
  EXPECT_TRUE(CheckMaintenance(drive.state(), {"db3", true}, drive.now()).ok());
  drive.Feed(MaintenanceRequested{"db3", true});
  drive.Feed(MaintenanceRequested{"db2", false});
  EXPECT_FALSE(drive.Fired("maintenance-began"));
  EXPECT_FALSE(drive.Fired("maintenance-ended"));
}

TEST(Maintenance, IsNeverPromoted) {
  Drive drive = WithMaintenance("db3");
  drive.node("db3").lsn = Wal(900);  // what it alone received is no reason to promote nobody
  drive.Crash("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_FALSE(CheckFailover(drive.state(), {"db3", true}, drive.now()).ok());
  EXPECT_EQ(Detail(CheckFailover(drive.state(), {"db3", true}, drive.now())),
            "db3 is in maintenance");
}

TEST(Maintenance, IsNotAwaitedWhileOthersVote) {
  Drive drive = WithMaintenance("db3");
  drive.node("db2").votes = false;
  drive.Crash("db1");
  drive.Crash("db3");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.Pass(Duration{1'000});
  EXPECT_EQ(drive.PhaseReason().find("db3"), std::string::npos) << drive.PhaseReason();
  EXPECT_NE(drive.PhaseReason().find("db2 has not voted yet"), std::string::npos);
}

TEST(Maintenance, OfAStoppedStandbyIsNoEvidenceOfALostPrimary) {
  Drive drive = WithMaintenance("db3");
  drive.Crash("db3");
  drive.Pass(Duration{2'000});
  drive.Cut("db1");
  drive.Cut("db2");
  drive.Pass(Duration{20'000});
  EXPECT_EQ(drive.durable().epoch, 1U) << drive.PhaseReason();
}

TEST(Maintenance, OfThePrimarySwitchesOverFirst) {
  Drive drive = WithMaintenance("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("switchover-requested"));
  drive.Pass(Duration{10'000});
  EXPECT_EQ(drive.durable().maintenance, std::set<std::string>{"db1"});
  EXPECT_EQ(drive.node("db1").report.server, ServerState::kStopped) << "its hands are off";
  EXPECT_EQ(drive.durable().quorum.standbys, Nodes{"db3"});
}

TEST(Maintenance, OfAPrimaryThatNobodyReplacesIsGivenUp) {
  Drive drive = Drive::Healthy();
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.Feed(MaintenanceRequested{"db1", true});
  for (const char* standby : {"db2", "db3"}) {
    drive.node(standby).streams = false;
    drive.node(standby).report.replay_paused = true;
  }
  EXPECT_TRUE(
      drive.PassUntil([&] { return drive.Fired("maintenance-given-up"); }, Duration{120'000}))
      << drive.PhaseReason();
  EXPECT_TRUE(drive.IsRunning("db1"));
  EXPECT_TRUE(drive.durable().maintenance.empty());
}

TEST(Maintenance, IsRefusedWithReasons) {
  ClusterSpec spec = SpecOf(2);
  spec.synchronous.durability = DataDurability::kRequired;
  Drive drive = Drive::Healthy(spec);
  EXPECT_EQ(Detail(CheckMaintenance(drive.state(), {"db9", true}, drive.now())),
            "db9 is no member");
  EXPECT_NE(Detail(CheckMaintenance(drive.state(), {"db2", true}, drive.now()))
                .find("only 0 of 1 standbys could confirm commits"),
            std::string::npos);
  EXPECT_FALSE(CheckMaintenance(drive.state(), {"db1", true}, drive.now()).ok());
  drive.Feed(MaintenanceRequested{"db2", true});
  EXPECT_TRUE(drive.durable().maintenance.empty());
  drive = Drive::Healthy();
  drive.Feed(ReinitRequested{"db2"});
  EXPECT_EQ(Detail(CheckMaintenance(drive.state(), {"db2", true}, drive.now())),
            "db2 is being copied anew");
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  EXPECT_EQ(Detail(CheckMaintenance(drive.state(), {"db3", true}, drive.now())),
            "a change of primary is under way, or there is none");
}

TEST(Maintenance, EndsWithTheMembership) {
  Drive drive = WithMaintenance("db3");
  drive.Feed(SpecApplied{SpecOf(2)});
  EXPECT_TRUE(drive.durable().maintenance.empty());
}

TEST(Maintenance, DoesNotHoldUpTheFirstHealth) {
  Drive drive;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kRunning; }));
  drive.node("db3").streams = false;
  drive.Feed(MaintenanceRequested{"db3", true});
  EXPECT_TRUE(drive.PassUntil([&] { return drive.durable().was_healthy; })) << drive.PhaseReason();
}

}  // namespace
}  // namespace pgmahout::controller
