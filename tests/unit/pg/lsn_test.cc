// SPDX-License-Identifier: Apache-2.0
// WAL positions as PostgreSQL writes them.
#include "common/pg/lsn.h"

#include <gtest/gtest.h>

namespace pgmahout {
namespace {

TEST(Lsn, IsWrittenAsPostgresDoes) {
  EXPECT_EQ(FormatLsn(Lsn{}), "0/0");
  EXPECT_EQ(FormatLsn(Lsn{0x3000158}), "0/3000158");
  EXPECT_EQ(FormatLsn(Lsn{0x1A6F0012C8}), "1A/6F0012C8");
  EXPECT_EQ(FormatLsn(Lsn{~uint64_t{0}}), "FFFFFFFF/FFFFFFFF");
}

TEST(Lsn, ComesBackTheSame) {
  for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{0xffffffff},
                               uint64_t{0x100000000}, uint64_t{0x1A6F0012C8}, ~uint64_t{0}}) {
    EXPECT_EQ(ParseLsn(FormatLsn(Lsn{value})), Lsn{value});
  }
  EXPECT_EQ(ParseLsn("1a/6f0012c8"), Lsn{0x1A6F0012C8}) << "either case";
}

TEST(Lsn, RefusesWhatIsNone) {
  for (const char* text : {"", "/", "0", "0/", "/0", "1/2/3", "0/G", "123456789/0", "0/123456789",
                           "-1/0", "0/-1", "0x1/0", "0/0x1", " 0/0", "0/0 ", "+1/0"}) {
    EXPECT_FALSE(ParseLsn(text).has_value()) << "\"" << text << "\"";
  }
}

TEST(Lsn, ZeroIsNoPosition) {
  EXPECT_FALSE(Lsn{}.valid());
  EXPECT_TRUE(Lsn{1}.valid());
}

TEST(BytesBetween, IsZeroWhereNothingIsMissing) {
  EXPECT_EQ(BytesBetween(Lsn{10}, Lsn{25}), 15U);
  EXPECT_EQ(BytesBetween(Lsn{25}, Lsn{25}), 0U);
  EXPECT_EQ(BytesBetween(Lsn{26}, Lsn{25}), 0U);
}

}  // namespace
}  // namespace pgmahout
