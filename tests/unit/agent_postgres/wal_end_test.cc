// SPDX-License-Identifier: Apache-2.0
// The end of WAL that a dead server left: after the last whole record, and not where a recycled
// segment goes on.
#include "agent/postgres/wal_end.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/pg/wal_writer.h"

namespace pgmahout::agent {
namespace {

TEST(EndOfWal, IsBehindTheLastRecord) {
  WalWriter wal;
  const Lsn first = wal.Add(59);
  for (int i = 0; i < 5'000; ++i) {
    wal.Add(30 + static_cast<uint32_t>(i) % 300);
  }
  EXPECT_GT(wal.end().value, kSegment + kSegment / 2);
  EXPECT_EQ(EndOfWal(wal.Store(), 1, first), wal.end());
  EXPECT_EQ(EndOfWal(wal.Store(), 1, wal.end()), wal.end());
}

TEST(EndOfWal, FollowsRecordsOverPagesAndSegments) {
  WalWriter wal;
  const Lsn first = wal.Add(59);
  wal.Add(100'000);
  wal.Add(1'000'000);
  wal.Add(24);
  EXPECT_GT(wal.end().value, 2 * kSegment);
  EXPECT_EQ(EndOfWal(wal.Store(), 1, first), wal.end());
}

TEST(EndOfWal, StartMayBeThePageHeaderBeforeARecord) {
  WalWriter wal;
  wal.Add(59);
  EXPECT_EQ(EndOfWal(wal.Store(), 1, Lsn{kSegment}), wal.end());
}

TEST(EndOfWal, GoesOnInTheNextSegmentAfterASwitch) {
  WalWriter wal;
  const Lsn first = wal.Add(59);
  wal.Switch();
  EXPECT_EQ(EndOfWal(wal.Store(), 1, first), Lsn{2 * kSegment});
  wal.Add(59);
  EXPECT_GT(wal.end().value, 2 * kSegment);
  EXPECT_EQ(EndOfWal(wal.Store(), 1, first), wal.end());
}

TEST(EndOfWal, HalfARecordIsNoRecord) {
  WalWriter wal;
  const Lsn first = wal.Add(59);
  const Lsn torn = wal.Add(50'000);
  const size_t third_page = 3 * kWalPageBytes;
  wal.bytes().replace(third_page, kWalPageBytes, std::string(kWalPageBytes, '\0'));
  EXPECT_EQ(EndOfWal(wal.Store(), 1, first), torn);
}

TEST(EndOfWal, WhatARecycledSegmentStillHoldsIsNoWal) {
  WalWriter wal;
  const Lsn first = wal.Add(59);
  const Lsn end = wal.end();
  wal.Break();
  wal.Add(59);
  EXPECT_EQ(EndOfWal(wal.Store(), 1, first), end);
  WalWriter recycled;
  const Lsn begin = recycled.Add(59);
  const uint64_t other = 99 * kSegment;
  std::memcpy(&recycled.bytes()[8], &other, sizeof other);
  EXPECT_EQ(EndOfWal(recycled.Store(), 1, begin), begin);
}

TEST(EndOfWal, WithoutFilesItIsWhereOneBegan) {
  WalWriter wal;
  EXPECT_EQ(EndOfWal("/nowhere", 1, Lsn{kSegment}), Lsn{kSegment});
  const Lsn first = wal.Add(59);
  EXPECT_EQ(EndOfWal(wal.Store(), 2, first), first) << "another timeline";
  EXPECT_EQ(EndOfWal(wal.Store(), 1, Lsn{7 * kSegment}), Lsn{7 * kSegment});
}

TEST(StartOfSegment, IsInItsName) {
  EXPECT_EQ(StartOfSegment("000000010000000200000003", uint64_t{16} << 20),
            Lsn{(uint64_t{2} << 32) + (uint64_t{3} << 24)});
  for (const char* name :
       {"", "00000002.history", "00000001000000020000000x", "000000010000000200000003.partial"}) {
    EXPECT_EQ(StartOfSegment(name, kSegment), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace pgmahout::agent
