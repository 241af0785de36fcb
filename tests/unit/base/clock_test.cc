// SPDX-License-Identifier: Apache-2.0
// Time for decisions and time for people.
#include "common/base/clock.h"

#include <gtest/gtest.h>

#include "common/base/fingerprint.h"

namespace pgmahout {
namespace {

TEST(BootTime, AddsAndSubtracts) {
  const BootTime start = BootTime::FromMilliseconds(1'000);
  EXPECT_EQ(start + Duration{500}, BootTime::FromMilliseconds(1'500));
  EXPECT_EQ((start + Duration{500}) - start, Duration{500});
  EXPECT_LT(start - Duration{1}, start);
}

TEST(SystemClock, DoesNotGoBackwards) {
  const BootTime first = SystemClock().Now();
  EXPECT_GT(first.milliseconds(), 0);
  EXPECT_GE(SystemClock().Now(), first);
}

TEST(WallTime, IsWrittenInUtcWithMilliseconds) {
  EXPECT_EQ(FormatWallTime(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatWallTime(1'709'164'799'042), "2024-02-28T23:59:59.042Z");
}

TEST(BootId, StaysTheSameWithinOneBoot) {
  EXPECT_EQ(BootId(), BootId());
  EXPECT_EQ(BootId().size(), 36U);
}

// Stored on one machine, compared on another, after any upgrade: the values must never change.
TEST(Fingerprint, IsTheSameEverywhereAndForEver) {
  EXPECT_EQ(Fingerprint(""), 0xcbf29ce484222325U);
  EXPECT_EQ(Fingerprint("a"), 0xaf63dc4c8601ec8cU);
  EXPECT_EQ(Fingerprint("foobar"), 0x85944171f73967e8U);
}

}  // namespace
}  // namespace pgmahout
