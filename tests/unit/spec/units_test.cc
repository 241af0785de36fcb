// SPDX-License-Identifier: Apache-2.0
// Durations, sizes and near misses: what people write, and what they meant.
#include "common/wire/units.h"

#include <gtest/gtest.h>

#include "common/wire/nearest.h"

namespace pgmahout {
namespace {

TEST(Durations, ReadAllUnits) {
  EXPECT_EQ(ParseDuration("500ms"), Duration(500));
  EXPECT_EQ(ParseDuration("3s"), Duration(3'000));
  EXPECT_EQ(ParseDuration("3 s"), Duration(3'000));
  EXPECT_EQ(ParseDuration("1m"), Duration(60'000));
  EXPECT_EQ(ParseDuration("1min"), Duration(60'000));
  EXPECT_EQ(ParseDuration("2h"), Duration(7'200'000));
  EXPECT_EQ(ParseDuration("1d"), Duration(86'400'000));
}

TEST(Durations, RefuseWhatHasNoUnitOrNoMeaning) {
  for (const char* text :
       {"", "3", "s", "-3s", "3S", "1.5s", "3s4", "99999999999999999999s", "999999999d", "3 sec"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
}

TEST(Durations, AreWrittenInTheLargestWholeUnit) {
  EXPECT_EQ(FormatDuration(Duration(500)), "500ms");
  EXPECT_EQ(FormatDuration(Duration(90'000)), "90s");
  EXPECT_EQ(FormatDuration(Duration(60'000)), "1m");
  EXPECT_EQ(FormatDuration(Duration(0)), "0ms");
}

TEST(Sizes, ReadPostgresUnitsAndBinaryOnes) {
  EXPECT_EQ(ParseSize("1MiB"), uint64_t{1} << 20);
  EXPECT_EQ(ParseSize("16MB"), uint64_t{16} << 20);
  EXPECT_EQ(ParseSize("1GiB"), uint64_t{1} << 30);
  EXPECT_EQ(ParseSize("512kB"), uint64_t{512} << 10);
  EXPECT_EQ(ParseSize("1048576"), uint64_t{1} << 20);
  EXPECT_EQ(ParseSize("0"), 0U);
}

TEST(Sizes, RefuseOverflowAndUnknownUnits) {
  for (const char* text : {"", "MB", "-1MB", "16mb", "1.5GB", "16777216TiB", "12x"}) {
    EXPECT_FALSE(ParseSize(text).has_value()) << text;
  }
}

TEST(Sizes, ComeBackTheSameAfterWriting) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{1000}, uint64_t{1} << 20,
                               (uint64_t{1} << 40) + 1, uint64_t{3} << 30}) {
    EXPECT_EQ(ParseSize(FormatSize(bytes)), bytes);
  }
}

TEST(NearestWord, FindsSlipsAndNothingElse) {
  const std::vector<std::string> words = {"automatic", "manual"};
  EXPECT_EQ(NearestWord("automatc", words), "automatic");
  EXPECT_EQ(NearestWord("auotmatic", words), "automatic");
  EXPECT_EQ(NearestWord("Manual", words), "manual");
  EXPECT_EQ(NearestWord("auto", words), "automatic");
  EXPECT_EQ(NearestWord("sometimes", words), "");
}

TEST(EditDistance, CountsASwapAsOne) {
  EXPECT_EQ(EditDistance("nodes", "ndoes"), 1U);
  EXPECT_EQ(EditDistance("nodes", "node"), 1U);
  EXPECT_EQ(EditDistance("", "abc"), 3U);
}

}  // namespace
}  // namespace pgmahout
