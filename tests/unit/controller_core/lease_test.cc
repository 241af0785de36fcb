// SPDX-License-Identifier: Apache-2.0
// Leases: only the primary's, and counted so that the controller always waits longer than the agent
// writes, whatever the two clocks do.
#include <gtest/gtest.h>

#include "controller/core/failover.h"
#include "controller/core/turn.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

BootTime At(int64_t milliseconds) {
  return BootTime::FromMilliseconds(milliseconds);
}

TEST(LeaseEnd, AddsDriftOfBothClocksAndSlack) {
  const Timing timing;
  EXPECT_EQ(LeaseEnd(Duration{10'000}, At(1'000), timing), At(1'000 + 10'000 + 40 + 500));
  EXPECT_EQ(LeaseEnd(Duration{60'000}, At(0), timing), At(60'000 + 240 + 500));
}

TEST(Leases, GoWithEveryAnswerToThePrimaryAndToNobodyElse) {
  Drive drive = Drive::Healthy();
  for (const char* node : {"db1", "db2", "db3"}) {
    drive.Feed(AgentReported{node, 900, drive.node(node).report});
    ASSERT_EQ(drive.leases().count(node), 1U);
    EXPECT_EQ(drive.leases().at(node), node == std::string("db1") ? Duration{10'000} : Duration{0});
  }
}

TEST(Leases, AreRememberedAsTheLatestGrant) {
  Drive drive = Drive::Healthy();
  drive.Feed(AgentReported{"db1", 900, drive.node("db1").report});
  EXPECT_EQ(drive.state().members.at("db1").may_write_until,
            LeaseEnd(Duration{10'000}, drive.now(), Timing{}));
}

TEST(Leases, NodeThatWasNotHeardSinceItConnectedGetsNone) {
  Drive drive = Drive::Healthy();
  drive.Cut("db1");
  drive.Feed(AgentConnected{"db1", "10.0.0.99"});  // its address, and so the desired state, changed
  EXPECT_EQ(drive.leases().count("db1"), 0U) << "I5: there is no heartbeat to answer";
}

TEST(Leases, EndWithTheRole) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;
  drive.node("db1").report.server = ServerState::kHung;
  drive.node("db2").votes = false;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  const BootTime until = drive.state().members.at("db1").may_write_until;
  drive.Pass(Duration{5'000});
  EXPECT_EQ(drive.state().members.at("db1").may_write_until, until);
}

TEST(OldPrimaryIsFenced, WhenItsAgentSaysSo) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  EXPECT_FALSE(OldPrimaryIsFenced(drive.state(), drive.now(), Timing{}));
  drive.BootVm("db1");
  drive.Pass(Duration{200});
  EXPECT_TRUE(OldPrimaryIsFenced(drive.state(), drive.now(), Timing{}))
      << "stopped at the present epoch";
}

// db1 may have gone on without this controller, on what a standby confirmed to it.
TEST(OldPrimaryIsFenced, WhenItsLeaseIsOverAndWitnessesHaveVotedForAsLong) {
  Drive drive = Drive::Healthy();
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.Pass(Duration{30'000});
  EXPECT_TRUE(LeaseIsOver(drive.state(), drive.now()));
  EXPECT_FALSE(OldPrimaryIsFenced(drive.state(), drive.now(), Timing{}));
  Report vote = drive.node("db2").report;
  vote.ballot = Ballot{drive.durable().epoch, 1, Wal(1)};
  drive.node("db2").obeys = false;
  drive.node("db2").report = vote;
  drive.Pass(Duration{30'000});
  EXPECT_FALSE(OldPrimaryIsFenced(drive.state(), drive.now(), Timing{}))
      << "db3 is a witness still";
}

TEST(OldPrimaryIsFenced, CountsFromTheVoteThatTookTheLastWitness) {
  ClusterSpec spec = SpecOf(3);
  spec.synchronous.durability = DataDurability::kOff;  // votes alone do not suffice
  Drive drive = Drive::Healthy(spec);
  drive.KillVm("db1");
  const auto voted = [&drive](const char* node) {
    return drive.state().members.at(node).voted_at.has_value();
  };
  ASSERT_TRUE(drive.PassUntil([&] { return voted("db2") && voted("db3"); }));
  const BootTime at = *drive.state().members.at("db3").voted_at;
  const BootTime over = LeaseEnd(spec.failover.lease_ttl, at, Timing{});
  EXPECT_FALSE(OldPrimaryIsFenced(drive.state(), over - Duration{1}, Timing{}));
  EXPECT_TRUE(OldPrimaryIsFenced(drive.state(), over, Timing{}));
}

TEST(OldPrimaryIsFenced, NeverByTimeWhereItNeedsNoWitness) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db2");
  drive.KillVm("db3");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum == Quorum{}; }));
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().older.empty(); }));
  drive.KillVm("db1");
  drive.BootVm("db2");
  drive.BootVm("db3");
  drive.Pass(Duration{60'000});
  EXPECT_FALSE(OldPrimaryIsFenced(drive.state(), drive.now(), Timing{}));
  EXPECT_EQ(drive.durable().primary, "db1");
}

TEST(OldPrimaryIsFenced, NotByAReportOfAnEarlierEpoch) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;  // never hears of the new epoch
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  EXPECT_FALSE(OldPrimaryIsFenced(drive.state(), drive.now(), Timing{}))
      << "with a lease it may start again by itself";
}

}  // namespace
}  // namespace pgmahout::controller
