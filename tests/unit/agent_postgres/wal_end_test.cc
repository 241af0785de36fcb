// SPDX-License-Identifier: Apache-2.0
// The end of WAL that a dead server left: after the last whole record, and not where a recycled
// segment goes on.
#include "agent/postgres/wal_end.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace pgmahout::agent {
namespace {

constexpr uint64_t kSegment = uint64_t{1} << 20;
constexpr uint64_t kPage = 8192;

// Writes records as PostgreSQL lays them out, from the beginning of segment 1 of timeline 1.
class WalWriter {
 public:
  WalWriter() : bytes_(2 * kSegment, '\0') {
    std::string path = (std::filesystem::temp_directory_path() / "pgm-wal-XXXXXX").string();
    directory_ = mkdtemp(path.data());
  }

  ~WalWriter() { std::filesystem::remove_all(directory_); }

  WalWriter(const WalWriter&) = delete;
  WalWriter& operator=(const WalWriter&) = delete;

  // A record of `length` bytes; where it begins.
  Lsn Add(uint32_t length) {
    PassHeader(0);
    const uint64_t start = at_;
    std::string record(length, 'r');
    std::memcpy(record.data(), &length, sizeof length);
    std::memcpy(record.data() + 8, &previous_, sizeof previous_);
    previous_ = start;
    for (uint32_t done = 0; done < length;) {
      PassHeader(length - done);
      const uint64_t part = std::min<uint64_t>(kPage - at_ % kPage, length - done);
      std::memcpy(&bytes_[at_ - kSegment], record.data() + done, part);
      at_ += part;
      done += static_cast<uint32_t>(part);
    }
    at_ = (at_ + 7) / 8 * 8;
    return Lsn{start};
  }

  Lsn end() const { return Lsn{at_}; }

  std::string& bytes() { return bytes_; }

  // Of the record chain that the next Add() goes on with.
  void Break() { previous_ = 4711; }

  const std::string& Store() {
    for (int i = 0; i < 2; ++i) {
      const std::string name = i == 0 ? "000000010000000000000001" : "000000010000000000000002";
      std::ofstream(directory_ + "/" + name, std::ios::binary)
          << bytes_.substr(static_cast<size_t>(i) * kSegment, kSegment);
    }
    return directory_;
  }

 private:
  void PassHeader(uint32_t remaining) {
    if (at_ % kPage != 0) {
      return;
    }
    const bool is_long = at_ % kSegment == 0;
    const uint16_t magic = 0xD110;
    const uint16_t info =
        static_cast<uint16_t>((is_long ? 0x0002 : 0) | (remaining > 0 ? 0x0001 : 0));
    const uint32_t timeline = 1;
    char* const page = &bytes_[at_ - kSegment];
    std::memcpy(page, &magic, 2);
    std::memcpy(page + 2, &info, 2);
    std::memcpy(page + 4, &timeline, 4);
    std::memcpy(page + 8, &at_, 8);
    std::memcpy(page + 16, &remaining, 4);
    at_ += is_long ? 40 : 24;
  }

  std::string directory_;
  std::string bytes_;
  uint64_t at_ = kSegment;
  uint64_t previous_ = 0;
};

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

TEST(EndOfWal, HalfARecordIsNoRecord) {
  WalWriter wal;
  const Lsn first = wal.Add(59);
  const Lsn torn = wal.Add(50'000);
  const size_t third_page = 3 * kPage;
  wal.bytes().replace(third_page, kPage, std::string(kPage, '\0'));
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
