// SPDX-License-Identifier: Apache-2.0
// What was lost is told once, in bytes and as a range; and so is that nothing was.
#include <gtest/gtest.h>

#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

DivergedWal Wal(uint64_t epoch, Lsn from, Lsn to) {
  return DivergedWal{epoch, 1, from, to};
}

std::string Told(Drive& drive, const DivergedWal& wal) {
  drive.Forget();
  drive.node("db3").report.diverged = wal;
  drive.Pass(Duration{1'100});
  return drive.MessageOf("rejoined");
}

TEST(Rejoined, TellsBytesAndRange) {
  Drive drive = Drive::Healthy();
  EXPECT_EQ(
      Told(drive, Wal(1, Lsn{0x3000148}, Lsn{0x3003188})),
      "12352 bytes of its WAL were lost: 0/3000148 to 0/3003188 on timeline 1; kept on the node "
      "below dataRoot, in diverged/epoch-1");
}

TEST(Rejoined, TellsThatNothingWasLost) {
  Drive drive = Drive::Healthy();
  EXPECT_EQ(Told(drive, Wal(1, Lsn{0x3000148}, Lsn{0x3000148})),
            "nothing was lost: the new timeline has all of its WAL, up to 0/3000148");
}

TEST(Rejoined, SaysSoWhereTheForkIsNotKnown) {
  Drive drive = Drive::Healthy();
  EXPECT_NE(Told(drive, Wal(1, Lsn{}, Lsn{0x3000148})).find("is not known"), std::string::npos);
}

TEST(Rejoined, IsToldOncePerEpochAlsoAcrossARestart) {
  Drive drive = Drive::Healthy();
  EXPECT_NE(Told(drive, Wal(1, Lsn{1}, Lsn{9})), "");
  EXPECT_EQ(Told(drive, Wal(1, Lsn{1}, Lsn{9})), "");
  drive.RestartController();
  EXPECT_EQ(Told(drive, Wal(1, Lsn{1}, Lsn{9})), "");
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  EXPECT_NE(Told(drive, Wal(2, Lsn{1}, Lsn{9})), "");
}

TEST(Rejoined, EpochThatHasNotBegunIsNoNews) {
  Drive drive = Drive::Healthy();
  EXPECT_EQ(Told(drive, Wal(99, Lsn{1}, Lsn{9})), "");
}

TEST(Rejoined, MemberThatIsRemovedIsForgotten) {
  Drive drive = Drive::Healthy();
  EXPECT_NE(Told(drive, Wal(1, Lsn{1}, Lsn{9})), "");
  EXPECT_EQ(drive.durable().rejoined.count("db3"), 1U);
  drive.Feed(SpecApplied{SpecOf(2)});
  EXPECT_TRUE(drive.durable().rejoined.empty());
}

}  // namespace
}  // namespace pgmahout::controller
