// SPDX-License-Identifier: Apache-2.0
// From nothing to a healthy cluster, and what a single node means.
#include <gtest/gtest.h>

#include "controller/core/failover.h"
#include "controller/core/status.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

TEST(Bootstrap, RunsInitdbOnTheFirstNodeAndNowhereElse) {
  Drive drive;
  EXPECT_EQ(drive.Desired("db1").assignment, Assignment::kBootstrap);
  EXPECT_EQ(drive.Desired("db2").assignment, Assignment::kNone);
  EXPECT_EQ(drive.Desired("db3").assignment, Assignment::kNone);
  EXPECT_EQ(drive.PhaseName(), "Creating");
}

TEST(Bootstrap, EndsHealthyWithAQuorumOfAllStandbys) {
  Drive drive;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().epoch, 1U);
  EXPECT_EQ(drive.durable().primary, "db1");
  EXPECT_EQ(drive.durable().system_identifier, kSystemIdentifier);
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db2", "db3"}}));
  EXPECT_TRUE(drive.durable().older.empty());
  EXPECT_TRUE(drive.durable().was_healthy);
  EXPECT_TRUE(drive.Fired("bootstrap-done"));
  EXPECT_TRUE(drive.Fired("first-time-healthy"));
  EXPECT_EQ(MemberStateOf(drive.state(), "db2", drive.now()), "streaming");
  EXPECT_EQ(SyncStateOf(drive.state(), "db2"), "quorum");
  EXPECT_EQ(SyncStateOf(drive.state(), "db1"), "");
}

TEST(Bootstrap, IsNotDoneBeforeRolesAreReady) {
  Drive drive;
  drive.node("db1").obeys = false;
  Report report;
  report.epoch = 1;
  report.server = ServerState::kRunning;
  report.role = ServerRole::kPrimary;
  report.system_identifier = kSystemIdentifier;
  report.writable_epoch = 1;
  report.timeline = 1;
  drive.Feed(AgentReported{"db1", 1, report});
  EXPECT_EQ(drive.durable().stage, Stage::kCreating);
  report.roles_ready = true;
  drive.Feed(AgentReported{"db1", 2, report});
  EXPECT_EQ(drive.durable().stage, Stage::kRunning);
}

TEST(Bootstrap, FirstHealthyMeansThatCommitsAreConfirmedByAStandby) {
  Drive drive;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("first-time-healthy"); }));
  EXPECT_EQ(drive.durable().quorum.number, 1U);
  EXPECT_TRUE(drive.durable().older.empty());
}

TEST(Bootstrap, StandbysAreBuiltFromTheConfirmedPrimary) {
  Drive drive;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kRunning; }));
  const DesiredState desired = drive.Desired("db2");
  EXPECT_EQ(desired.assignment, Assignment::kStandby);
  EXPECT_EQ(desired.upstream, "db1");
  EXPECT_TRUE(desired.may_rebuild);
  EXPECT_EQ(desired.members.size(), 3U);
}

// Receiving WAL proves less than applying it: a copy that cannot replay is no standby yet.
TEST(Bootstrap, AStandbyCountsOnceItHasReplayedWhatThePrimaryHadWhenItCame) {
  Drive drive = Drive::Healthy();
  const uint64_t epoch = drive.durable().epoch;
  drive.node("db1").obeys = false;
  Report report = drive.node("db1").report;
  report.attached = {Attached{"db2", true, "quorum", Wal(200), Wal(200)}};
  report.write_lsn = Wal(200);
  drive.Feed(AgentReported{"db1", 901, report});
  report.attached.push_back(Attached{"db3", true, "quorum", Wal(200), Wal(199)});
  drive.Feed(AgentReported{"db1", 902, report});
  EXPECT_FALSE(drive.IsHealthy());
  EXPECT_NE(drive.PhaseReason().find("db3: streams, but has not replayed"), std::string::npos)
      << drive.PhaseReason();
  report.write_lsn = Wal(300);  // the marker stays where it was
  report.attached[1].replay_lsn = Wal(200);
  drive.Feed(AgentReported{"db1", 903, report});
  EXPECT_EQ(drive.PhaseReason().find("db3"), std::string::npos) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().epoch, epoch);
}

TEST(SingleNode, IsHealthyWithoutStandbysAndAsynchronous) {
  Drive drive(SpecOf(1));
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().quorum, Quorum{});
}

TEST(SingleNode, StartsAgainAfterACrashAtANewEpoch) {
  Drive drive = Drive::Healthy(SpecOf(1));
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("promotion-confirmed"); }));
  EXPECT_TRUE(drive.Fired("resume-old-primary"));
  EXPECT_EQ(drive.durable().epoch, 2U);
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
}

TEST(SingleNode, ItsSilenceIsNoReasonToFence) {
  Drive drive = Drive::Healthy(SpecOf(1));
  drive.Cut("db1");
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().stage, Stage::kRunning);
  EXPECT_EQ(drive.durable().epoch, 1U);
  EXPECT_EQ(drive.PhaseName(), "Degraded");
}

TEST(Phase, SaysWhichAgentIsMissingAndWhichStepFails) {
  Drive drive = Drive::Healthy();
  drive.Cut("db3");
  EXPECT_NE(drive.PhaseReason().find("Degraded: db3: its agent is not connected"),
            std::string::npos)
      << drive.PhaseReason();
  drive.Heal("db3");
  drive.node("db3").report.step = "base-backup";
  drive.node("db3").report.step_error = "no space left on device";
  drive.Pass(Duration{1'000});
  EXPECT_NE(drive.PhaseReason().find("db3: base-backup: no space left on device"),
            std::string::npos)
      << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("agent-step-failed"));
}

}  // namespace
}  // namespace pgmahout::controller
