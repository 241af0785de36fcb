// SPDX-License-Identifier: Apache-2.0
// When a disk will be full.
#include "agent/core/disk_trend.h"

#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;
constexpr uint64_t kTotal = 100 * kGib;

// A look per second for `seconds`; the disk loses `per_second` bytes in each.
uint64_t Fill(DiskTrend& trend, int64_t from, int64_t seconds, uint64_t free, uint64_t per_second) {
  for (int64_t i = 0; i < seconds; ++i) {
    trend.Take(free, kTotal, At((from + i) * 1'000));
    free -= per_second;
  }
  return free;
}

TEST(DiskTrend, TellsWhenTheDiskWillBeFull) {
  DiskTrend trend;
  const uint64_t free = Fill(trend, 0, 301, 50 * kGib, 10 << 20);
  ASSERT_TRUE(trend.full_in().has_value());
  const double expected = static_cast<double>(free) / (10 << 20);
  EXPECT_NEAR(static_cast<double>(trend.full_in()->count()) / 1000, expected, expected / 100);
}

TEST(DiskTrend, SaysNothingBeforeTwoMinutesAreSeen) {
  DiskTrend trend;
  EXPECT_EQ(trend.full_in(), std::nullopt);
  const uint64_t free = Fill(trend, 0, 120, 50 * kGib, 100 << 20);
  EXPECT_EQ(trend.full_in(), std::nullopt);
  Fill(trend, 120, 1, free, 0);
  EXPECT_NE(trend.full_in(), std::nullopt);
}

TEST(DiskTrend, SaysNothingOfADiskThatDoesNotFillUp) {
  DiskTrend trend;
  Fill(trend, 0, 600, 50 * kGib, 0);
  EXPECT_EQ(trend.full_in(), std::nullopt);
  Fill(trend, 600, 300, 60 * kGib, 0);
  EXPECT_EQ(trend.full_in(), std::nullopt) << "it became emptier";
}

TEST(DiskTrend, SaysNothingOfMoreThanADay) {
  DiskTrend trend;
  Fill(trend, 0, 600, 90 * kGib, 1 << 20);  // 25 hours
  EXPECT_EQ(trend.full_in(), std::nullopt);
}

TEST(DiskTrend, RemovedWalDoesNotHideTheTrend) {
  DiskTrend trend;
  uint64_t free = 50 * kGib;
  for (int64_t minute = 0; minute < 10; ++minute) {
    free = Fill(trend, minute * 60, 60, free, 50 << 20) + 2 * kGib;
  }
  ASSERT_TRUE(trend.full_in().has_value());
  EXPECT_LT(*trend.full_in(), Duration{3 * 3600 * 1000});
}

TEST(DiskTrend, ForgetsWhatIsLongAgo) {
  DiskTrend trend;
  const uint64_t free = Fill(trend, 0, 300, 50 * kGib, 100 << 20);
  ASSERT_TRUE(trend.full_in().has_value());
  Fill(trend, 300, 1'300, free, 0);
  EXPECT_EQ(trend.full_in(), std::nullopt);
}

TEST(DiskTrend, LargerDiskIsAnotherDisk) {
  DiskTrend trend;
  Fill(trend, 0, 300, 50 * kGib, 100 << 20);
  trend.Take(20 * kGib, 2 * kTotal, At(301'000));
  EXPECT_EQ(trend.full_in(), std::nullopt);
  trend.Take(0, 0, At(302'000));
  EXPECT_EQ(trend.full_in(), std::nullopt) << "it could not be seen";
}

}  // namespace
}  // namespace pgmahout::agent
