// SPDX-License-Identifier: Apache-2.0
// Damaged files: refused with DataLoss, left as they are, never replaced by an empty store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "controller/store/sqlite_store.h"
#include "tests/unit/store/store_test_support.h"
#include "tests/unit/store/sync_counter.h"

namespace pgmahout::controller {
namespace {

using ::testing::HasSubstr;

constexpr int kRecords = 60;

std::string ValueOf(int i) {
  return absl::StrCat("value-", i, std::string(200, 'v'));
}

class DamagedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SkipSyncs(true);
    const auto store = OpenOrFail(path_);
    for (int i = 0; i < kRecords; ++i) {
      ASSERT_TRUE(store->Commit(PutOne("node", absl::StrCat("db", i), ValueOf(i))).ok());
    }
  }

  void TearDown() override { SkipSyncs(false); }

  // Expects DataLoss that names the file and says what to do, and the file as it was.
  void ExpectRefused(const std::string& what) {
    const std::string before = ReadBytes(path_);
    const auto store = SqliteStore::Open(path_);
    EXPECT_TRUE(absl::IsDataLoss(store.status())) << what << ": " << store.status();
    EXPECT_THAT(std::string(store.status().message()), HasSubstr(path_)) << what;
    EXPECT_THAT(InfoOf(store.status()).hint, HasSubstr("put a copy of the store in place"));
    EXPECT_EQ(ReadBytes(path_), before) << what;
  }

  TempDirectory directory_;
  std::string path_ = directory_.File("store.db");
};

TEST_F(DamagedFileTest, ATruncatedFileIsRefused) {
  const std::string whole = ReadBytes(path_);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{100}, size_t{4096}, whole.size() / 2,
                            whole.size() - 4096, whole.size() - 1}) {
    WriteBytes(path_, whole.substr(0, size));
    ExpectRefused(absl::StrCat("truncated to ", size));
  }
  WriteBytes(path_, whole);
  EXPECT_EQ(OpenOrFail(path_)->Get("node", "db0")->value, ValueOf(0));
}

TEST_F(DamagedFileTest, AFileOfZerosOrNoiseIsRefused) {
  const std::string whole = ReadBytes(path_);
  WriteBytes(path_, std::string(whole.size(), '\0'));
  ExpectRefused("zeros");
  WriteBytes(path_, std::string(whole.size(), 'x'));
  ExpectRefused("noise");
}

TEST_F(DamagedFileTest, AFlippedBitInAValueIsNoticedAndTheRecordNamed) {
  std::string bytes = ReadBytes(path_);
  bytes[bytes.find("value-37v")] ^= 0x20;
  WriteBytes(path_, bytes);
  ExpectRefused("flipped bit in a value");
  EXPECT_THAT(InfoOf(SqliteStore::Open(path_).status()).detail, HasSubstr("node \"db37\""));
}

TEST_F(DamagedFileTest, NoFlippedBitEverChangesWhatIsRead) {
  const std::string whole = ReadBytes(path_);
  std::mt19937 random(20261121);
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    const size_t at = random() % whole.size();
    const int bit = static_cast<int>(random() % 8);
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    WriteBytes(path_, bytes);
    const auto store = SqliteStore::Open(path_);
    if (!store.ok()) {
      ++refused;
      continue;
    }
    const auto records = (*store)->List("node");
    ASSERT_TRUE(records.ok()) << "byte " << at << " bit " << bit << ": " << records.status();
    ASSERT_EQ(records->size(), kRecords) << "byte " << at << " bit " << bit;
    for (const Record& record : *records) {
      ASSERT_EQ(record.value, ValueOf(std::stoi(record.key.substr(2))))
          << "byte " << at << " bit " << bit;
    }
  }
  EXPECT_GT(refused, 100) << "the flips hit nothing: is the file mostly empty?";
}

TEST_F(DamagedFileTest, AMissingFileWithItsLogIsNotReplaced) {
  const int exit_code = RunInChild([&] {
    const auto store = SqliteStore::Open(path_);
    raise(SIGKILL);  // so that the log is not folded into the file
    return store.ok() ? 0 : 1;
  });
  ASSERT_EQ(exit_code, 128 + SIGKILL);
  ASSERT_TRUE(std::filesystem::exists(path_ + "-wal"));
  std::filesystem::remove(path_);
  const auto store = SqliteStore::Open(path_);
  EXPECT_TRUE(absl::IsDataLoss(store.status())) << store.status();
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_TRUE(std::filesystem::exists(path_ + "-wal"));
}

TEST_F(DamagedFileTest, DamageAmongTheEventsIsNoticedToo) {
  auto store = OpenOrFail(path_);
  Transaction many;
  StoredEvent event;
  event.message = "event-text";
  many.events.resize(2'000, event);
  ASSERT_TRUE(store->Commit(many).ok());
  store.reset();
  std::string bytes = ReadBytes(path_);
  // In the middle: opening itself looks at the oldest and at the newest event.
  size_t at = 0;
  for (int i = 0; i < 1'000; ++i) {
    at = bytes.find("event-text", at + 1);
  }
  const size_t page = at / 4096 * 4096;
  bytes.replace(page, 4096, std::string(4096, '\0'));
  WriteBytes(path_, bytes);
  ExpectRefused("a lost page of events");
}

TEST_F(DamagedFileTest, ARefusedFileAndItsLogAreLeftForAnalysis) {
  const int exit_code = RunInChild([&] {
    const auto store = SqliteStore::Open(path_);
    const bool stored = store.ok() && (*store)->Commit(PutOne("a", "k", "only in the log")).ok();
    return stored ? raise(SIGKILL) : 1;
  });
  ASSERT_EQ(exit_code, 128 + SIGKILL);
  std::string bytes = ReadBytes(path_);
  bytes[bytes.find("value-37v")] ^= 0x20;
  WriteBytes(path_, bytes);
  const std::string log = ReadBytes(path_ + "-wal");
  ASSERT_THAT(log, HasSubstr("only in the log"));
  ExpectRefused("damaged, with a log");
  EXPECT_EQ(ReadBytes(path_ + "-wal"), log);
}

TEST_F(DamagedFileTest, ADirectoryIsNoStore) {
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(SqliteStore::Open(path_).status()));
}

}  // namespace
}  // namespace pgmahout::controller
