// SPDX-License-Identifier: Apache-2.0
// A primary and one standby, nobody else: the standby's vote alone covers what it confirmed, and
// where the primary was left alone nobody is promoted unasked.
#include <gtest/gtest.h>

#include "controller/core/failover.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

ClusterSpec Two(DataDurability durability = DataDurability::kPreferred) {
  ClusterSpec spec = SpecOf(2);
  spec.synchronous.durability = durability;
  return spec;
}

TEST(TwoMembers, OnlyStandbyIsPromotedWithoutWaitingForTheLease) {
  for (const DataDurability durability : {DataDurability::kPreferred, DataDurability::kRequired}) {
    Drive drive = Drive::Healthy(Two(durability));
    ASSERT_EQ(drive.durable().quorum, (Quorum{1, {"db2"}, ""}));
    const BootTime lost = drive.now();
    drive.KillVm("db1");
    ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
    EXPECT_TRUE(drive.Fired("promote-by-votes"));
    EXPECT_LE(drive.now() - lost, drive.durable().spec.failover.detect_after + Duration{1'500});
  }
}

TEST(TwoMembers, SurvivorGoesOnAloneWherePreferredAndWaitsWhereRequired) {
  Drive preferred = Drive::Healthy(Two());
  preferred.KillVm("db1");
  EXPECT_TRUE(preferred.PassUntil([&] {
    return preferred.IsRunning("db2") && preferred.durable().quorum == Quorum{};
  })) << preferred.PhaseReason();
  Drive required = Drive::Healthy(Two(DataDurability::kRequired));
  required.KillVm("db1");
  required.Pass(Duration{60'000});
  EXPECT_TRUE(required.IsRunning("db2"));
  EXPECT_EQ(required.durable().quorum, (Quorum{1, {"db1"}, ""})) << "never on one machine only";
}

TEST(TwoMembers, SurvivorDoesNotWaitForWhoIsNotHeard) {
  Drive drive = Drive::Healthy(Two());
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().primary == "db2"; }));
  EXPECT_EQ(drive.durable().quorum, Quorum{});
}

TEST(TwoMembers, SurvivorWaitsAMomentForWhoIsHeard) {
  Drive drive = Drive::Healthy(Two());
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().primary == "db2"; }));
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db1"}, ""})) << "it rejoins in a moment";
}

TEST(TwoMembers, StandbyThatWasLostFirstIsNeverPromotedUnasked) {
  Drive drive = Drive::Healthy(Two());
  drive.KillVm("db2");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum == Quorum{}; }));
  drive.Commit();
  drive.Pass(Duration{1'000});
  drive.KillVm("db1");
  drive.BootVm("db2");
  drive.Pass(Duration{120'000});
  EXPECT_EQ(drive.durable().primary, "db1");
  EXPECT_FALSE(drive.IsRunning("db2"));
  EXPECT_EQ(drive.PhaseName(), "NoPrimary") << drive.PhaseReason();
  drive.BootVm("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db1") && drive.IsHealthy(); },
                              Duration{60'000}))
      << drive.PhaseReason();
}

TEST(TwoMembers, StandbyThatCameBackIsPromotedLikeBefore) {
  for (const DataDurability durability : {DataDurability::kPreferred, DataDurability::kRequired}) {
    Drive drive = Drive::Healthy(Two(durability));
    drive.KillVm("db2");
    drive.Pass(Duration{20'000});
    drive.BootVm("db2");
    ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
    drive.KillVm("db1");
    EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  }
}

TEST(TwoMembers, OldPrimaryIsNotPromotedAfterTheSurvivorWentOnWithoutIt) {
  Drive drive = Drive::Healthy(Two());
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil(
      [&] { return drive.IsRunning("db2") && drive.durable().quorum == Quorum{}; }));
  drive.KillVm("db2");
  drive.BootVm("db1");
  drive.Pass(Duration{120'000});
  EXPECT_EQ(drive.durable().primary, "db2");
  drive.BootVm("db2");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2") && drive.IsHealthy(); },
                              Duration{60'000}))
      << drive.PhaseReason();
}

// Its agent needs no witness then (WitnessesNeeded), so time proves nothing about it.
TEST(TwoMembers, PrimaryThatWasLeftAloneIsNeverFencedByTime) {
  Drive drive = Drive::Healthy(Two());
  drive.KillVm("db2");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum == Quorum{}; }));
  drive.Cut("db1");
  drive.BootVm("db2");
  drive.Pass(Duration{60'000});
  EXPECT_TRUE(LeaseIsOver(drive.state(), drive.now()));
  EXPECT_FALSE(OldPrimaryIsFenced(drive.state(), drive.now(), Timing{}));
  EXPECT_EQ(drive.durable().primary, "db1");
}

}  // namespace
}  // namespace pgmahout::controller
