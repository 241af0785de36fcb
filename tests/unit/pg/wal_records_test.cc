// SPDX-License-Identifier: Apache-2.0
// Records found without knowing where one begins. What follows them from a known place is tested
// with EndOfWal (tests/unit/agent_postgres/wal_end_test.cc).
#include "common/pg/wal_records.h"

#include <gtest/gtest.h>

#include "tests/unit/pg/wal_writer.h"

namespace pgmahout {
namespace {

WalRecords::ReadPage PagesOf(WalWriter& wal) {
  return PagesOf(wal.bytes(), Lsn{kSegment});
}

TEST(WalRecords, FirstOneIsBehindTheHeader) {
  WalWriter wal;
  const Lsn first = wal.Add(59);
  EXPECT_EQ(WalRecords(1, PagesOf(wal)).FirstFrom(Lsn{kSegment}), first);
}

TEST(WalRecords, ADamagedOneIsNone) {
  WalWriter wal;
  const Lsn first = wal.Add(20'000);
  EXPECT_TRUE(WalRecords(1, PagesOf(wal)).At(first, Lsn{}).has_value());
  char& byte = wal.bytes()[2 * kWalPageBytes + 100];
  byte = static_cast<char>(byte ^ 1);
  EXPECT_FALSE(WalRecords(1, PagesOf(wal)).At(first, Lsn{}).has_value());
}

TEST(WalRecords, FirstOneIsBehindWhatIsLeftOfAnEarlierOne) {
  for (const uint32_t rest : {3U, 8152U, 8153U, 50'000U}) {
    WalWriter wal;
    wal.AddRest(rest);
    const Lsn first = wal.Add(59);
    WalRecords records(1, PagesOf(wal));
    const std::optional<Lsn> found = records.FirstFrom(Lsn{kSegment});
    ASSERT_TRUE(found.has_value()) << rest;
    const std::optional<WalRecord> record = records.At(*found, Lsn{});
    ASSERT_TRUE(record.has_value()) << rest;
    EXPECT_EQ(record->begin, first) << rest;
    EXPECT_FALSE(record->is_switch);
  }
}

TEST(WalRecords, WhatIsLeftMayReachBeyondAllPages) {
  WalWriter wal;
  wal.AddRest(2 * kSegment - 100'000);
  WalRecords records(1, [pages = PagesOf(wal)](Lsn at, WalPage* page) {
    return at.value < 2 * kSegment && pages(at, page);
  });
  EXPECT_EQ(records.FirstFrom(Lsn{kSegment}), std::nullopt);
}

TEST(WalRecords, SwitchIsToldFromOthersOfItsResourceManager) {
  WalWriter wal;
  const Lsn checkpoint = wal.Add(114, /*info=*/0x10, /*resource_manager=*/0);
  const Lsn begin = wal.Switch();
  WalRecords records(1, PagesOf(wal));
  const std::optional<WalRecord> record = records.At(begin, Lsn{});
  ASSERT_TRUE(record.has_value());
  EXPECT_TRUE(record->is_switch);
  EXPECT_EQ(record->end.value, begin.value + 24);
  const std::optional<WalRecord> other = records.At(checkpoint, Lsn{});
  ASSERT_TRUE(other.has_value());
  EXPECT_FALSE(other->is_switch);
}

}  // namespace
}  // namespace pgmahout
