// SPDX-License-Identifier: Apache-2.0
// What a person asks for is refused with every reason, before anything moves.
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "controller/core/eligibility.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

std::string WhyNot(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(InfoOf(status).reason, "precondition");
  return InfoOf(status).detail;
}

std::string WhyNotSwitch(const Drive& drive, const std::string& target) {
  return WhyNot(CheckSwitchover(drive.state(), target, drive.now()));
}

TEST(SwitchoverRequest, IsFineOnAHealthyCluster) {
  const Drive drive = Drive::Healthy();
  EXPECT_TRUE(CheckSwitchover(drive.state(), "", drive.now()).ok());
  EXPECT_TRUE(CheckSwitchover(drive.state(), "db2", drive.now()).ok());
}

TEST(SwitchoverRequest, IsRefusedForAWrongTarget) {
  const Drive drive = Drive::Healthy();
  EXPECT_EQ(WhyNotSwitch(drive, "db1"), "db1 is the primary already");
  EXPECT_EQ(WhyNotSwitch(drive, "db9"), "db9 is no member");
}

TEST(SwitchoverRequest, NamesTheReasonOfEveryStandby) {
  ClusterSpec spec = SpecOf(5);
  spec.failover.priority["db2"] = 0;
  Drive drive = Drive::Healthy(spec);
  drive.node("db3").report.replay_paused = true;
  drive.node("db4").streams = false;
  drive.Cut("db5");
  drive.Pass(Duration{4'000});
  const std::string reasons = WhyNotSwitch(drive, "");
  for (const char* reason :
       {"db2: failover.priority is 0", "db3: its WAL replay is paused",
        "db4: it does not stream from the primary", "db5: its agent is not heard"}) {
    EXPECT_NE(reasons.find(reason), std::string::npos) << reasons;
  }
}

TEST(SwitchoverRequest, IsRefusedWhileTheTargetIsFarBehind) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;
  drive.node("db1").report.write_lsn = Wal(500);
  drive.Pass(Duration{1'000});
  EXPECT_NE(WhyNotSwitch(drive, "db2").find("db2: it is 408944640 bytes behind"), std::string::npos)
      << WhyNotSwitch(drive, "db2");
}

TEST(SwitchoverRequest, IsRefusedWithoutARunningPrimary) {
  Drive drive = Drive::Healthy();
  drive.Cut("db1");
  EXPECT_NE(WhyNotSwitch(drive, "").find("db1 is not heard"), std::string::npos);
  drive = Drive::Healthy();
  drive.node("db2").votes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  EXPECT_NE(WhyNotSwitch(drive, "").find("a change of primary is under way"), std::string::npos);
}

TEST(SwitchoverRequest, OfASingleNodeSaysThatThereIsNoStandby) {
  const Drive drive = Drive::Healthy(SpecOf(1));
  EXPECT_EQ(WhyNotSwitch(drive, ""), "there is no standby");
}

TEST(SwitchoverRequest, ThatCameTooLateChangesNothing) {
  Drive drive = Drive::Healthy();
  drive.Cut("db1");
  drive.Feed(SwitchoverRequested{"db2"});
  EXPECT_EQ(drive.durable().stage, Stage::kRunning);
  EXPECT_EQ(drive.durable().epoch, 1U);
}

TEST(FailoverRequest, IsRefusedWhileThePrimaryRuns) {
  const Drive drive = Drive::Healthy();
  EXPECT_EQ(WhyNot(CheckFailover(drive.state(), {"", true}, drive.now())), "the primary db1 runs");
  EXPECT_EQ(WhyNot(CheckFailover(drive.state(), {"db1", true}, drive.now())), "db1 is no standby");
  EXPECT_EQ(WhyNot(CheckFailover(drive.state(), {"db9", true}, drive.now())), "db9 is no standby");
}

TEST(FailoverRequest, IsRefusedWhileTheClusterIsCreated) {
  const Drive drive;
  EXPECT_NE(WhyNot(CheckFailover(drive.state(), {"", true}, drive.now())).find("being created"),
            std::string::npos);
}

TEST(SpecChange, RefusesWhatNoRunningClusterCanBecome) {
  const Drive drive = Drive::Healthy();
  ClusterSpec spec = drive.durable().spec;
  spec.postgres_major = 15;
  spec.port = 5433;
  spec.tenant = "other";
  spec.nodes = {"db2", "db3"};
  const std::string reasons = WhyNot(CheckSpecChange(drive.state(), spec));
  for (const char* reason :
       {"spec.postgresql.version: 14 cannot become 15", "spec.postgresql.port: cannot change",
        "metadata.tenant: cannot change", "spec.placement.nodes: db1 is the primary"}) {
    EXPECT_NE(reasons.find(reason), std::string::npos) << reasons;
  }
}

TEST(SpecChange, KeepsTheNodesWhileThePrimaryChanges) {
  Drive drive = Drive::Healthy();
  drive.node("db2").votes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  ClusterSpec spec = drive.durable().spec;
  EXPECT_TRUE(CheckSpecChange(drive.state(), spec).ok());
  spec.nodes = {"db1", "db2"};
  EXPECT_FALSE(CheckSpecChange(drive.state(), spec).ok());
}

// Checked for the caller, then the primary changed: the members must still hold the primary.
TEST(SpecChange, ThatNoLongerFitsChangesNothing) {
  Drive drive = Drive::Healthy();
  ClusterSpec spec = drive.durable().spec;
  spec.nodes = {"db1", "db3"};
  ASSERT_TRUE(CheckSpecChange(drive.state(), spec).ok());
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  drive.Feed(SpecApplied{spec});
  drive.Pass(Duration{1'000});
  EXPECT_EQ(drive.durable().revision, 1U);
  EXPECT_EQ(drive.durable().spec.nodes.size(), 3U);
}

TEST(Eligibility, SaysWhyAMemberWouldNotBePromoted) {
  Drive drive = Drive::Healthy();
  EXPECT_EQ(WhyNotEligible(drive.state(), "db2", drive.now()), "");
  EXPECT_EQ(WhyNotEligible(drive.state(), "db1", drive.now()), "");
  drive.node("db2").obeys = false;
  Report& report = drive.node("db2").report;
  const Report good = report;
  report.data_is_complete = false;
  drive.Pass(Duration{1'000});
  EXPECT_EQ(WhyNotEligible(drive.state(), "db2", drive.now()),
            "its data directory is not complete");
  report = good;
  report.system_identifier = 5;
  drive.Pass(Duration{1'000});
  EXPECT_EQ(WhyNotEligible(drive.state(), "db2", drive.now()),
            "its data belongs to another system identifier");
  report = good;
  report.server = ServerState::kStopped;
  drive.Pass(Duration{1'000});
  EXPECT_EQ(WhyNotEligible(drive.state(), "db2", drive.now()), "its server does not run");
}

}  // namespace
}  // namespace pgmahout::controller
