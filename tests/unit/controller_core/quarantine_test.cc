// SPDX-License-Identifier: Apache-2.0
// A store that was restored from an old copy: nothing is ordered from what it says until every
// member has told what it is.
#include "controller/core/quarantine.h"

#include <gtest/gtest.h>

#include "controller/core/failover.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

// db2 has become primary at epoch 2, on timeline 2, and the store is of before that.
Drive FailedOverAndRestored() {
  Drive drive = Drive::Healthy();
  const Durable copy = drive.durable();
  drive.Crash("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2") && drive.IsHealthy(); }));
  drive.Forget();
  drive.RestoreStore(copy);
  return drive;
}

TEST(Quarantine, AdoptsTheEpochAndThePrimaryOnceAllHaveReported) {
  Drive drive = FailedOverAndRestored();
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("store-is-old"));
  EXPECT_TRUE(drive.Fired("adopt-primary"));
  EXPECT_EQ(drive.durable().epoch, 2U);
  EXPECT_EQ(drive.durable().timeline, 2U);
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
}

TEST(Quarantine, OrdersNothingWhileAMemberIsMissing) {
  Drive drive = FailedOverAndRestored();
  drive.Cut("db1");
  drive.Pass(Duration{60'000});
  EXPECT_TRUE(drive.durable().quarantined);
  EXPECT_TRUE(drive.leases().empty()) << "it is as silent as a controller that is down";
  EXPECT_EQ(drive.PhaseName(), "Degraded");
  EXPECT_NE(drive.PhaseReason().find("db1: it has not reported"), std::string::npos)
      << drive.PhaseReason();
  EXPECT_NE(drive.PhaseReason().find("--accept-data-loss"), std::string::npos);
  EXPECT_FALSE(CheckSwitchover(drive.state(), "", drive.now()).ok());
  EXPECT_FALSE(CheckFailover(drive.state(), {"", false}, drive.now()).ok());
  EXPECT_FALSE(CheckSpecChange(drive.state(), SpecOf(3)).ok());
  drive.Heal("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(Quarantine, IsDurable) {
  Drive drive = FailedOverAndRestored();
  drive.Cut("db1");
  drive.Pass(Duration{5'000});
  drive.RestartController();
  drive.Cut("db1");
  drive.Pass(Duration{30'000});
  EXPECT_TRUE(drive.durable().quarantined);
}

// The copy was made while standbys confirmed commits; since then the primary went on alone.
TEST(Quarantine, QuorumsOfTheOldStoreProveNothing) {
  Drive drive = Drive::Healthy();
  const Durable copy = drive.durable();
  drive.node("db2").streams = false;
  drive.node("db3").streams = false;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum.number == 0; }));
  drive.Pass(Duration{2'000});
  drive.Commit();
  drive.RestoreStore(copy);
  drive.Feed(StoreIsOld{"it was started with --restored"});
  ASSERT_TRUE(drive.PassUntil([&] { return !drive.durable().quarantined; }));
  drive.KillVm("db1");
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing) << "nobody is promoted unasked";
}

TEST(Quarantine, EndsOnceStandbysHoldAllThatThePrimaryHas) {
  Drive drive = FailedOverAndRestored();
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_FALSE(drive.durable().sole_copy);
}

TEST(Quarantine, NamesAreNewerThanWhatTheLostStorePublished) {
  Drive drive = FailedOverAndRestored();
  const NameRecords before = drive.published().back();
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_GT(std::tie(drive.published().back().epoch, drive.published().back().change),
            std::tie(before.epoch, before.change));
}

TEST(Quarantine, NamesAreNewerAlsoWhenTheSameCopyIsRestoredAgain) {
  Drive drive = Drive::Healthy();
  const Durable copy = drive.durable();
  for (const uint64_t incarnation : {2, 3}) {
    const NameRecords before = drive.published().back();
    drive.RestoreStore(copy);
    drive.Feed(StoreIsOld{"it was started with --restored", incarnation});
    ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
    EXPECT_EQ(drive.published().back().epoch, before.epoch);
    EXPECT_GT(drive.published().back().change, before.change);
  }
}

// An agent of another cluster has epochs of its own.
TEST(Quarantine, EpochOfAnotherClusterIsNoSign) {
  Drive drive = Drive::Healthy();
  Report report = drive.node("db3").report;
  report.cluster = "other";
  report.epoch = 99;
  drive.Feed(AgentReported{"db3", 1'000, report});
  EXPECT_FALSE(drive.durable().quarantined);
  EXPECT_EQ(drive.durable().epoch, 1U);
}

// The lost store had begun to replace the primary: standbys have voted, nobody was promoted.
TEST(Quarantine, UnfinishedFailoverIsBegunAgain) {
  Drive drive = Drive::Healthy();
  const Durable copy = drive.durable();
  drive.node("db2").promotes = false;
  drive.node("db3").promotes = false;
  drive.Cut("db1");
  drive.node("db2").streams = false;
  drive.node("db3").streams = false;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().epoch == 2; }));
  drive.Pass(Duration{500});
  drive.RestoreStore(copy);
  drive.Heal("db1");
  for (const char* node : {"db2", "db3"}) {
    drive.node(node).promotes = true;
    drive.node(node).streams = true;
  }
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); }, Duration{60'000}))
      << drive.PhaseReason();
  EXPECT_GE(drive.durable().epoch, 3U);
}

TEST(Quarantine, OperatorMayStartWithIt) {
  Drive drive = Drive::Healthy();
  drive.RestartController();
  drive.Feed(StoreIsOld{"it was started with --restored"});
  EXPECT_TRUE(drive.durable().quarantined);
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().epoch, 1U) << "the primary is who it was";
}

TEST(Quarantine, PersonMayAcceptALossInstead) {
  Drive drive = FailedOverAndRestored();
  drive.KillVm("db2");
  drive.Pass(Duration{30'000});
  ASSERT_TRUE(drive.durable().quarantined);
  EXPECT_FALSE(CheckFailover(drive.state(), {"db9", true}, drive.now()).ok());
  ASSERT_TRUE(CheckFailover(drive.state(), {"db3", true}, drive.now()).ok());
  drive.Feed(FailoverRequested{"db3", true});
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); }, Duration{60'000}))
      << drive.PhaseReason();
}

// The store names db1, which has been replaced by a primary on a later timeline since.
TEST(Quarantine, PersonWhoNamesNobodyGetsTheMostAdvanced) {
  Drive drive = Drive::Healthy();
  const Durable copy = drive.durable();
  drive.Crash("db1");
  drive.node("db1").obeys = false;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  drive.Pass(Duration{2'000});
  drive.RestoreStore(copy);
  drive.Crash("db2");
  drive.Pass(Duration{30'000});
  ASSERT_TRUE(drive.durable().quarantined);
  drive.node("db1").obeys = true;
  drive.Feed(FailoverRequested{"", true});
  EXPECT_NE(drive.durable().primary, "db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); }, Duration{60'000}))
      << drive.PhaseReason();
  EXPECT_GE(drive.durable().timeline, 2U);
}

}  // namespace
}  // namespace pgmahout::controller
