// SPDX-License-Identifier: Apache-2.0
// What of a segment is compared when another server has archived it already.
#include "agent/wal/segment_end.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/wal/archive.h"
#include "tests/unit/pg/wal_writer.h"
#include "tests/unit/wal/segment.h"

namespace pgmahout::wal {
namespace {

const WalName kName{NameKind::kSegment, 1, 0, 1};

std::string FirstSegment(WalWriter& wal) {
  return wal.bytes().substr(0, kSegment);
}

TEST(EndOfSwitch, IsWhereTheRecordEnds) {
  WalWriter wal;
  wal.AddRest(9'000);
  wal.Add(59);
  wal.Add(20'000);
  const Lsn begin = wal.Switch();
  EXPECT_EQ(EndOfSwitch(kName, FirstSegment(wal)), begin.value - kSegment + 24);
}

TEST(EndOfSwitch, IsNowhereInOtherSegments) {
  WalWriter wal;
  wal.Add(59);
  EXPECT_EQ(EndOfSwitch(kName, FirstSegment(wal)), std::nullopt) << "it is not full";
  for (int i = 0; i < 20'000; ++i) {
    wal.Add(59);
  }
  EXPECT_EQ(EndOfSwitch(kName, FirstSegment(wal)), std::nullopt) << "it is full";
  EXPECT_EQ(EndOfSwitch(kName, ""), std::nullopt);
  EXPECT_EQ(EndOfSwitch(WalName{NameKind::kSegment, 1, 0, 2}, FirstSegment(wal)), std::nullopt)
      << "it is another one";
}

class PushAfterSwitchTest : public testing::Test {
 protected:
  PushAfterSwitchTest() {
    wal_.Add(59);
    switch_ = wal_.Switch().value - kSegment;
    WriteWhole(source_, FirstSegment(wal_));
    EXPECT_TRUE(Push(archive_, source_).ok());
    archived_ = FirstSegment(wal_);
  }

  // A second server has the same segment, but for the byte at `offset`.
  absl::Status PushWithOtherByteAt(size_t offset) {
    std::string other = archived_;
    other[offset] = static_cast<char>(other[offset] ^ 1);
    WriteWhole(source_, other);
    const absl::Status status = Push(archive_, source_);
    EXPECT_EQ(ReadWhole(absl::StrCat(archive_, "/000000010000000000000001")), archived_);
    return status;
  }

  const ScratchDirectory scratch_;
  const std::string archive_ = scratch_.Make("archive");
  const std::string source_ = scratch_.Make("pg_wal") + "/000000010000000000000001";
  WalWriter wal_;
  size_t switch_ = 0;
  std::string archived_;
};

TEST_F(PushAfterSwitchTest, WhatNobodyReadsMayDiffer) {
  EXPECT_TRUE(PushWithOtherByteAt(switch_ + 24).ok());
  EXPECT_TRUE(PushWithOtherByteAt(kSegment - 1).ok());
}

TEST_F(PushAfterSwitchTest, RecordsMayNot) {
  EXPECT_TRUE(absl::IsAlreadyExists(PushWithOtherByteAt(switch_ + 23)));
  EXPECT_TRUE(absl::IsAlreadyExists(PushWithOtherByteAt(60)));
}

TEST_F(PushAfterSwitchTest, OneWithoutTheRecordIsAnotherOne) {
  WalWriter other;
  other.Add(59);
  WriteWhole(source_, FirstSegment(other));
  EXPECT_TRUE(absl::IsAlreadyExists(Push(archive_, source_)));
  EXPECT_EQ(ReadWhole(absl::StrCat(archive_, "/000000010000000000000001")), archived_);
}

}  // namespace
}  // namespace pgmahout::wal
