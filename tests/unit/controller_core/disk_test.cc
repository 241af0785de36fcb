// SPDX-License-Identifier: Apache-2.0
// What a person is told before something fails: a disk that fills up, paused replay, a standby that
// does not stream.
#include "controller/core/disk.h"

#include <gtest/gtest.h>

#include "controller/core/status.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;
constexpr Duration kMinute{60'000};

void SetDisk(Drive& drive, uint64_t free_gib, std::optional<Duration> full_in) {
  Report& report = drive.node("db2").report;
  report.disk_bytes = 100 * kGib;
  report.disk_free_bytes = free_gib * kGib;
  report.disk_full_in = full_in;
  drive.Forget();
  drive.Pass(Duration{200});
}

TEST(Disk, ThatFillsUpIsToldInTimeAndTheClusterStaysHealthy) {
  Drive drive = Drive::Healthy();
  SetDisk(drive, 50, 60 * kMinute);
  EXPECT_EQ(drive.PhaseReason(), "Healthy: ");
  SetDisk(drive, 40, 40 * kMinute);
  EXPECT_EQ(drive.PhaseReason(), "Healthy: disk of db2 full in about 40 min");
  EXPECT_EQ(drive.MessageOf("disk-fills-up"),
            "its disk is full in about 40 min: 40960 of 102400 MiB are free");
  SetDisk(drive, 30, 29 * kMinute);
  EXPECT_FALSE(drive.Fired("disk-fills-up")) << "told once";
  EXPECT_EQ(drive.PhaseReason(), "Healthy: disk of db2 full in about 29 min");
}

TEST(Disk, IsShortUntilThereIsRoomForTwoHours) {
  Drive drive = Drive::Healthy();
  SetDisk(drive, 40, 40 * kMinute);
  SetDisk(drive, 40, 119 * kMinute);
  EXPECT_FALSE(drive.Fired("disk-has-room"));
  SetDisk(drive, 60, 120 * kMinute);
  EXPECT_TRUE(drive.Fired("disk-has-room"));
  EXPECT_EQ(drive.PhaseReason(), "Healthy: ");
}

TEST(Disk, IsShortBelowFivePercent) {
  Drive drive = Drive::Healthy();
  SetDisk(drive, 6, std::nullopt);
  EXPECT_EQ(drive.PhaseReason(), "Healthy: ");
  SetDisk(drive, 4, std::nullopt);
  EXPECT_NE(drive.PhaseReason().find("disk of db2 97 % full"), std::string::npos)
      << drive.PhaseReason();
  SetDisk(drive, 6, std::nullopt);
  EXPECT_FALSE(drive.Fired("disk-has-room"));
  SetDisk(drive, 9, std::nullopt);
  EXPECT_TRUE(drive.Fired("disk-has-room"));
}

// It fills up so slowly that the figure of hours would reassure.
TEST(Disk, ThatIsNearlyFullSaysHowFullAndNotWhen) {
  Drive drive = Drive::Healthy();
  SetDisk(drive, 4, 120 * kMinute);
  EXPECT_EQ(drive.PhaseReason(), "Healthy: disk of db2 97 % full");
  SetDisk(drive, 4, 119 * kMinute);
  EXPECT_EQ(drive.PhaseReason(), "Healthy: disk of db2 full in about 119 min");
}

TEST(Disk, OfWhichNothingIsKnownIsNotShort) {
  Drive drive = Drive::Healthy();
  EXPECT_FALSE(drive.state().members.at("db2").disk_is_short);
  EXPECT_EQ(DiskWarning("db2", MemberView{}), "");
  MemberView without_report;
  without_report.disk_is_short = true;
  EXPECT_EQ(DiskWarning("db2", without_report), "");
}

TEST(Disk, ComesAfterWhatIsWrongAlready) {
  Drive drive = Drive::Healthy();
  SetDisk(drive, 40, 40 * kMinute);
  drive.node("db3").report.step = "start";
  drive.node("db3").report.step_error = "port is taken";
  drive.Pass(Duration{1'000});
  EXPECT_EQ(drive.PhaseReason(),
            "Degraded: db3: start: port is taken; disk of db2 full in about 40 min");
}

TEST(Notice, PausedReplayIsNamed) {
  Drive drive = Drive::Healthy();
  drive.node("db3").report.replay_paused = true;
  drive.Pass(Duration{200});
  EXPECT_EQ(drive.PhaseReason(), "Healthy: WAL replay of db3 is paused");
}

// ---- Why a member would not be promoted ----

std::string Why(const Drive& drive, const std::string& node) {
  return EligibleReasonOf(drive.state(), node, drive.now());
}

TEST(EligibleReason, NamesWhatKeepsAStandbyFromStreaming) {
  Drive drive = Drive::Healthy();
  EXPECT_EQ(Why(drive, "db1"), "");
  EXPECT_EQ(Why(drive, "db3"), "");
  EXPECT_EQ(Why(drive, "db9"), "it is no member");
  drive.node("db3").streams = false;
  drive.Pass(Duration{1'100});
  EXPECT_EQ(Why(drive, "db3"), "it does not stream: the primary does not see it");
  const std::string stuck = "its WAL receiver is stuck: nothing comes from its upstream";
  drive.node("db3").report.receiver_trouble = stuck;
  drive.Pass(Duration{1'100});
  EXPECT_EQ(Why(drive, "db3"), "it does not stream: " + stuck);
  EXPECT_NE(drive.PhaseReason().find("db3: does not stream (running): " + stuck), std::string::npos)
      << drive.PhaseReason();
}

TEST(EligibleReason, NamesAnIllness) {
  Drive drive = Drive::Healthy();
  drive.node("db3").obeys = false;
  drive.node("db3").report.server = ServerState::kHung;
  drive.node("db3").report.illness = "cannot write to \"/data\": Read-only file system";
  drive.Pass(Duration{1'100});
  EXPECT_EQ(Why(drive, "db3"), "cannot write to \"/data\": Read-only file system");
}

TEST(EligibleReason, WhileThePrimaryChangesNobodyStreams) {
  Drive drive = Drive::Healthy();
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  EXPECT_EQ(Why(drive, "db2"), "");
}

}  // namespace
}  // namespace pgmahout::controller
