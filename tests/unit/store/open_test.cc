// SPDX-License-Identifier: Apache-2.0
// Opening a store: creation, ownership, incarnations and schema versions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "controller/store/sqlite_store.h"
#include "tests/unit/store/store_test_support.h"

namespace pgmahout::controller {
namespace {

using ::testing::HasSubstr;

class OpenTest : public ::testing::Test {
 protected:
  TempDirectory directory_;
  std::string path_ = directory_.File("store.db");
};

// A look at the file from outside; the store must be closed.
int64_t IntegerIn(const std::string& path, const std::string& sql) {
  auto connection = SqliteConnection::Open(path, /*create=*/false);
  EXPECT_TRUE(connection.ok()) << connection.status();
  const auto value = (*connection)->QueryInteger(sql);
  EXPECT_TRUE(value.ok()) << value.status();
  return value.value_or(-1);
}

mode_t ModeOf(const std::string& path) {
  struct stat info {};

  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

TEST_F(OpenTest, ReopeningFindsEverything) {
  auto store = OpenOrFail(path_);
  ASSERT_TRUE(store->Commit(PutOne("a", "k", "1")).ok());
  ASSERT_TRUE(store->Commit(PutOne("a", "k", "2")).ok());
  ASSERT_TRUE(store->Commit(EventOne("orders", "created")).ok());
  store.reset();
  store = OpenOrFail(path_);
  EXPECT_EQ(store->Get("a", "k")->value, "2");
  EXPECT_EQ(store->Get("a", "k")->version, 2U);
  EXPECT_EQ(store->ListEvents("orders", 0, 10, false)->front().message, "created");
}

TEST_F(OpenTest, IncarnationGrowsByOneEachTime) {
  for (uint64_t expected = 1; expected <= 4; ++expected) {
    EXPECT_EQ(OpenOrFail(path_)->incarnation(), expected);
  }
}

TEST_F(OpenTest, IncarnationThatWasRaisedIsNotTakenBack) {
  {
    const auto store = OpenOrFail(path_);
    ASSERT_TRUE(store->RaiseIncarnation(7).ok());
    EXPECT_EQ(store->incarnation(), 7U);
    ASSERT_TRUE(store->RaiseIncarnation(3).ok());
    EXPECT_EQ(store->incarnation(), 7U) << "at least, it said";
  }
  EXPECT_EQ(OpenOrFail(path_)->incarnation(), 8U);
}

TEST_F(OpenTest, EachOpeningIsToldApart) {
  const uint64_t first = OpenOrFail(path_)->opening();
  EXPECT_NE(first, 0U);
  EXPECT_NE(OpenOrFail(path_)->opening(), first);
}

TEST_F(OpenTest, IncarnationGrowsAlsoAfterADeathRightAfterOpening) {
  ASSERT_EQ(OpenOrFail(path_)->incarnation(), 1U);
  const int exit_code = RunInChild([&] {
    const auto store = SqliteStore::Open(path_);
    raise(SIGKILL);
    return store.ok() ? 0 : 1;
  });
  ASSERT_EQ(exit_code, 128 + SIGKILL);
  EXPECT_EQ(OpenOrFail(path_)->incarnation(), 3U);
}

TEST_F(OpenTest, NobodyElseMayReadTheFiles) {
  const mode_t old_mask = umask(0);
  const auto store = OpenOrFail(path_);
  umask(old_mask);
  ASSERT_TRUE(store->Commit(PutOne("secret", "orders", "x")).ok());
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    EXPECT_EQ(ModeOf(path_ + suffix), 0600U) << suffix;
  }
}

TEST_F(OpenTest, ClosesAFileThatOthersMayRead) {
  OpenOrFail(path_).reset();
  ASSERT_EQ(chmod(path_.c_str(), 0644), 0);
  const auto store = OpenOrFail(path_);
  EXPECT_EQ(ModeOf(path_), 0600U);
  EXPECT_EQ(ModeOf(path_ + "-wal"), 0600U);
}

TEST_F(OpenTest, ErasedSecretsAreGoneFromTheFile) {
  const std::string secret = "correct-horse-battery-staple";
  auto store = OpenOrFail(path_);
  ASSERT_TRUE(store->Commit(PutOne("secret", "orders", secret)).ok());
  store.reset();
  ASSERT_THAT(ReadBytes(path_), HasSubstr(secret));
  store = OpenOrFail(path_);
  ASSERT_TRUE(store->Commit(EraseOne("secret", "orders")).ok());
  store.reset();
  EXPECT_EQ(ReadBytes(path_).find(secret), std::string::npos);
}

TEST_F(OpenTest, ASecondOwnerInThisProcessIsRefused) {
  auto store = OpenOrFail(path_);
  const auto second = SqliteStore::Open(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(absl::StrCat(getpid())));
  EXPECT_TRUE(store->Commit(PutOne("a", "k", "first owner goes on")).ok());
  store.reset();
  EXPECT_TRUE(SqliteStore::Open(path_).ok());
}

TEST_F(OpenTest, ASecondProcessIsToldWhoOwnsTheStore) {
  const auto store = OpenOrFail(path_);
  const pid_t owner = getpid();
  EXPECT_EQ(RunInChild([&] {
              const absl::Status status = SqliteStore::Open(path_).status();
              const bool named =
                  status.message().find(absl::StrCat("process ", owner)) != absl::string_view::npos;
              return absl::IsFailedPrecondition(status) && named ? 0 : 1;
            }),
            0);
}

TEST_F(OpenTest, ASymbolicLinkDoesNotLeadPastTheLock) {
  const auto store = OpenOrFail(path_);
  const std::string link = directory_.File("link.db");
  std::filesystem::create_symlink(path_, link);
  EXPECT_TRUE(absl::IsFailedPrecondition(SqliteStore::Open(link).status()));
}

TEST_F(OpenTest, TheLockOfADeadOwnerIsFree) {
  const int exit_code = RunInChild([&] {
    const auto store = SqliteStore::Open(path_);
    raise(SIGKILL);
    return store.ok() ? 0 : 1;
  });
  ASSERT_EQ(exit_code, 128 + SIGKILL);
  EXPECT_TRUE(SqliteStore::Open(path_).ok());
}

TEST_F(OpenTest, AMissingDirectoryIsAnErrorWithAHint) {
  const auto store = SqliteStore::Open(directory_.File("no/such/store.db"));
  EXPECT_TRUE(absl::IsNotFound(store.status())) << store.status();
  EXPECT_FALSE(InfoOf(store.status()).hint.empty());
}

TEST_F(OpenTest, AnotherProgramsDatabaseIsLeftAlone) {
  auto foreign = SqliteConnection::Open(path_, /*create=*/true);
  ASSERT_TRUE((*foreign)->Execute("CREATE TABLE theirs (x)").ok());
  foreign->reset();
  const std::string before = ReadBytes(path_);
  const auto store = SqliteStore::Open(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status())) << store.status();
  EXPECT_EQ(ReadBytes(path_), before);
}

TEST_F(OpenTest, ALaterSchemaKeepsWhatAnOlderOneStored) {
  auto store = OpenOrFail(path_);
  ASSERT_TRUE(store->Commit(PutOne("cluster", "orders", "spec")).ok());
  store.reset();
  ASSERT_EQ(IntegerIn(path_, "PRAGMA user_version"), 1);
  SqliteStoreOptions later;
  later.migrations.push_back("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('new');");
  later.migrations.push_back("ALTER TABLE notes ADD COLUMN author TEXT DEFAULT 'me'");
  store = OpenOrFail(path_, later);
  EXPECT_EQ(store->Get("cluster", "orders")->value, "spec");
  EXPECT_EQ(store->incarnation(), 2U);
  store.reset();
  EXPECT_EQ(IntegerIn(path_, "PRAGMA user_version"), 3);
  EXPECT_EQ(IntegerIn(path_, "SELECT count(*) FROM notes WHERE author = 'me'"), 1);
}

TEST_F(OpenTest, AMigrationThatFailsLeavesTheOlderSchemaWhole) {
  auto store = OpenOrFail(path_);
  ASSERT_TRUE(store->Commit(PutOne("cluster", "orders", "spec")).ok());
  store.reset();
  SqliteStoreOptions broken;
  broken.migrations.push_back("CREATE TABLE notes (text TEXT); INSERT INTO nowhere VALUES (1);");
  const auto refused = SqliteStore::Open(path_, broken);
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("from schema version 1 to 2"));
  EXPECT_EQ(IntegerIn(path_, "PRAGMA user_version"), 1);
  EXPECT_EQ(IntegerIn(path_, "SELECT count(*) FROM sqlite_schema WHERE name = 'notes'"), 0);
  EXPECT_EQ(OpenOrFail(path_)->Get("cluster", "orders")->value, "spec");
}

TEST_F(OpenTest, ANewerSchemaIsRefusedAndUntouched) {
  SqliteStoreOptions later;
  later.migrations.push_back("CREATE TABLE notes (text TEXT)");
  OpenOrFail(path_, later).reset();
  const std::string before = ReadBytes(path_);
  const auto refused = SqliteStore::Open(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("newer than this controller"));
  EXPECT_THAT(InfoOf(refused.status()).detail, HasSubstr("schema version 2"));
  EXPECT_EQ(ReadBytes(path_), before);
}

}  // namespace
}  // namespace pgmahout::controller
