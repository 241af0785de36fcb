// SPDX-License-Identifier: Apache-2.0
// Which names an archive holds, and whether a segment is what its name says.
#include "agent/wal/wal_name.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/wal/segment.h"

namespace pgmahout::wal {
namespace {

using ::testing::HasSubstr;

TEST(ParseWalName, KnowsTheFourKindsPostgresArchives) {
  EXPECT_EQ(ParseWalName("0000000A0000001B000000FE"),
            (WalName{NameKind::kSegment, 0x0A, 0x1B, 0xFE}));
  EXPECT_EQ(ParseWalName("000000010000000000000002.partial"),
            (WalName{NameKind::kPartial, 1, 0, 2}));
  EXPECT_EQ(ParseWalName("0000001F.history"), (WalName{NameKind::kHistory, 0x1F, 0, 0}));
  EXPECT_EQ(ParseWalName("000000010000000000000002.00000028.backup"),
            (WalName{NameKind::kBackup, 1, 0, 2}));
}

TEST(ParseWalName, RefusesEverythingElse) {
  for (const char* name : {"",
                           ".",
                           "..",
                           "../000000010000000000000002",
                           "000000010000000000000002/",
                           "00000001000000000000000",
                           "0000000100000000000000020",
                           "00000001000000000000000g",
                           "0000000a0000001b000000fe",
                           "000000010000000000000002.tmp",
                           "000000010000000000000002.partial2",
                           "000000010000000000000002.ready",
                           "000000010000000000000002.0000028.backup",
                           "000000010000000000000002.0000002x.backup",
                           "0000001.history",
                           "0000000G.history",
                           "00000001.history.bak",
                           "RECOVERYXLOG",
                           " 000000010000000000000002",
                           ".pgmahout-tmp.db1.77.000000010000000000000002"}) {
    EXPECT_FALSE(ParseWalName(name).has_value()) << '"' << name << '"';
  }
}

TEST(SegmentName, IsReadBackAsItself) {
  const std::string name = SegmentName(0xFFFFFFFF, 0xABCDEF01, 0x3F);
  EXPECT_EQ(name, "FFFFFFFFABCDEF010000003F");
  EXPECT_EQ(ParseWalName(name), (WalName{NameKind::kSegment, 0xFFFFFFFF, 0xABCDEF01, 0x3F}));
}

TEST(NextSegment, RollsOverAtFourGibibytes) {
  struct Case {
    uint64_t bytes;
    uint32_t last;
  };

  for (const Case& test : {Case{kMebibyte, 0xFFF}, Case{16 * kMebibyte, 0xFF},
                           Case{64 * kMebibyte, 0x3F}, Case{1024 * kMebibyte, 3}}) {
    uint32_t log = 7;
    uint32_t segment = test.last - 1;
    NextSegment(test.bytes, &log, &segment);
    EXPECT_EQ(log, 7u) << test.bytes;
    EXPECT_EQ(segment, test.last) << test.bytes;
    NextSegment(test.bytes, &log, &segment);
    EXPECT_EQ(log, 8u) << test.bytes;
    EXPECT_EQ(segment, 0u) << test.bytes;
  }
}

class CheckSegmentTest : public testing::Test {
 protected:
  absl::Status Check(const WalName& name) const {
    return CheckSegment(name, absl::string_view(content_).substr(0, kFirstPageBytes),
                        content_.size());
  }

  void ExpectDataLoss(const WalName& name, const std::string& text) const {
    const absl::Status status = Check(name);
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }

  const WalName name_{NameKind::kSegment, 3, 2, 5};
  std::string content_ = MakeSegment({.timeline = 3, .log = 2, .segment = 5});
};

TEST_F(CheckSegmentTest, AcceptsAWholeSegmentOfEverySize) {
  for (uint64_t bytes = kMebibyte; bytes <= 16 * kMebibyte; bytes *= 4) {
    content_ = MakeSegment({.timeline = 3, .log = 2, .segment = 5, .bytes = bytes});
    EXPECT_TRUE(Check(name_).ok()) << bytes << ": " << Check(name_);
  }
}

TEST_F(CheckSegmentTest, AcceptsAnOlderTimelineOnTheFirstPage) {
  // PostgreSQL copies the segment in which a new timeline begins.
  EXPECT_TRUE(Check({NameKind::kSegment, 4, 2, 5}).ok());
}

TEST_F(CheckSegmentTest, RefusesANewerTimelineThanTheName) {
  ExpectDataLoss({NameKind::kSegment, 2, 2, 5}, "timeline 3");
}

TEST_F(CheckSegmentTest, RefusesAnotherPlaceInTheWal) {
  ExpectDataLoss({NameKind::kSegment, 3, 2, 6}, "2/500000");
  ExpectDataLoss({NameKind::kSegment, 3, 1, 5}, "1/500000");
}

TEST_F(CheckSegmentTest, RefusesAFileThatIsTooShortOrTooLong) {
  const std::string whole = content_;
  content_ = whole.substr(0, whole.size() - 1);
  ExpectDataLoss(name_, "1048575 bytes");
  content_ = whole + "x";
  ExpectDataLoss(name_, "1048577 bytes");
  content_ = whole.substr(0, kFirstPageBytes - 1);
  ExpectDataLoss(name_, "39 bytes");
  content_.clear();
  ExpectDataLoss(name_, "0 bytes");
}

TEST_F(CheckSegmentTest, RefusesWhatDoesNotBeginWithAFirstPageHeader) {
  content_.replace(0, kFirstPageBytes, kFirstPageBytes, '\0');
  ExpectDataLoss(name_, "first page header");
}

TEST_F(CheckSegmentTest, RefusesASegmentSizeNoServerHas) {
  content_[33] = 1;  // 1 MiB + 256
  ExpectDataLoss(name_, "first page header");
}

}  // namespace
}  // namespace pgmahout::wal
