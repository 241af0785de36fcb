// SPDX-License-Identifier: Apache-2.0
// Which files of a new timeline would hide WAL of the one before. What PostgreSQL makes of it is
// tests/integration/agent_postgres/timeline_test.cc.
#include "agent/postgres/hidden_wal.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "tests/unit/pg/wal_writer.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

constexpr char kSegmentName[] = "0000000000000001";

class HiddenWal : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = (fs::temp_directory_path() / "pgm-data-XXXXXX").string();
    data_ = mkdtemp(path.data());
    fs::create_directory(data_ + "/pg_wal");
    for (int i = 0; i < 100; ++i) {
      middle_ = i == 50 ? wal_.end() : middle_;
      wal_.Add(200);
    }
  }

  ~HiddenWal() override { fs::remove_all(data_); }

  std::string PathOf(const std::string& name) const { return data_ + "/pg_wal/" + name; }

  // What is there before `end`, in a file of `timeline`.
  void Store(uint32_t timeline, Lsn end) {
    std::string content = wal_.bytes().substr(0, end.value - kSegment);
    content.resize(kSegment);
    Put(absl::StrCat(absl::Hex(timeline, absl::kZeroPad8), kSegmentName), content);
  }

  void Put(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFileAtomically(PathOf(name), content, 0600).ok());
  }

  bool IsThere(const std::string& name) const { return fs::exists(PathOf(name)); }

  void Uncover() {
    const absl::Status status = UncoverWal(data_);
    EXPECT_TRUE(status.ok()) << status;
  }

  WalWriter wal_;
  Lsn middle_;
  std::string data_;
};

TEST_F(HiddenWal, AFileThatWasOnlyBegunIsSetAside) {
  Store(1, wal_.end());
  Store(2, middle_);
  Put("00000002.history", absl::StrCat("1\t", FormatLsn(wal_.end()), "\tpromoted\n"));
  Uncover();
  EXPECT_FALSE(IsThere("000000020000000000000001"));
  EXPECT_TRUE(IsThere("000000020000000000000001.short"));
  EXPECT_TRUE(IsThere("000000010000000000000001"));
}

TEST_F(HiddenWal, OneThatHasReachedTheForkStays) {
  Store(1, wal_.end());
  Store(2, middle_);
  Put("00000002.history", absl::StrCat("1\t", FormatLsn(middle_), "\tpromoted\n"));
  Uncover();
  EXPECT_TRUE(IsThere("000000020000000000000001"));
}

TEST_F(HiddenWal, OneThatIsAsLongAsThoseBeforeStays) {
  Store(1, middle_);
  Store(2, middle_);
  Put("00000002.history", absl::StrCat("1\t", FormatLsn(wal_.end()), "\tpromoted\n"));
  Uncover();
  EXPECT_TRUE(IsThere("000000020000000000000001"));
}

TEST_F(HiddenWal, WhatWasGivenUpStaysHidden) {
  Store(1, wal_.end());  // beyond the fork
  Put("000000020000000000000001", std::string(kSegment, '\0'));
  Put("00000002.history", absl::StrCat("1\t", FormatLsn(middle_), "\tpromoted\n"));
  Uncover();
  EXPECT_TRUE(IsThere("000000020000000000000001"));
}

TEST_F(HiddenWal, WhatCannotBeReadIsNotTakenForShort) {
  Store(1, wal_.end());
  fs::create_directory(PathOf("000000020000000000000001"));
  Put("00000002.history", absl::StrCat("1\t", FormatLsn(wal_.end()), "\tpromoted\n"));
  EXPECT_FALSE(UncoverWal(data_).ok());
  EXPECT_TRUE(IsThere("000000020000000000000001"));
}

TEST_F(HiddenWal, AnyAncestorMayHaveMore) {
  Store(1, wal_.end());
  Store(3, middle_);
  Put("00000003.history", absl::StrCat("1\t", FormatLsn(wal_.end()), "\tpromoted\n2\t",
                                       FormatLsn(wal_.end()), "\tpromoted\n"));
  Uncover();
  EXPECT_FALSE(IsThere("000000030000000000000001"));
}

TEST_F(HiddenWal, PlaceholdersAndOtherFilesAreNotMindedAndADirectoryIsNeeded) {
  Store(1, wal_.end());
  Put("00000002.history", "# nobody's\n");
  Put("x.history", "1\t0/1\n");
  Uncover();
  EXPECT_TRUE(IsThere("000000010000000000000001"));
  fs::remove_all(data_ + "/pg_wal");
  EXPECT_FALSE(UncoverWal(data_).ok());
}

}  // namespace
}  // namespace pgmahout::agent
