// SPDX-License-Identifier: Apache-2.0
// Records, versions and events of an open store.
#include "controller/store/sqlite_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "tests/unit/store/store_test_support.h"
#include "tests/unit/store/sync_counter.h"

namespace pgmahout::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class SqliteStoreTest : public ::testing::Test {
 protected:
  TempDirectory directory_;
  std::string path_ = directory_.File("store.db");
  std::unique_ptr<SqliteStore> store_ = OpenOrFail(path_);
};

std::vector<std::string> Messages(const absl::StatusOr<std::vector<StoredEvent>>& events) {
  std::vector<std::string> messages;
  for (const StoredEvent& event : *events) {
    messages.push_back(event.message);
  }
  return messages;
}

TEST_F(SqliteStoreTest, ReturnsTheBytesThatWerePut) {
  const std::string value("\0\xff\n bytes \0", 11);
  ASSERT_TRUE(store_->Commit(PutOne("node", "db1", value)).ok());
  const auto record = store_->Get("node", "db1");
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->kind, "node");
  EXPECT_EQ(record->key, "db1");
  EXPECT_EQ(record->value, value);
  EXPECT_EQ(record->version, 1U);
}

TEST_F(SqliteStoreTest, KeepsEmptyAndLargeValues) {
  const std::string large(5 << 20, 'x');
  ASSERT_TRUE(store_->Commit(PutOne("a", "empty", "")).ok());
  ASSERT_TRUE(store_->Commit(PutOne("a", "large", large)).ok());
  EXPECT_EQ(store_->Get("a", "empty")->value, "");
  EXPECT_EQ(store_->Get("a", "large")->value, large);
}

TEST_F(SqliteStoreTest, TellsWhatIsNotThere) {
  const auto record = store_->Get("cluster", "default/orders");
  EXPECT_TRUE(absl::IsNotFound(record.status()));
  EXPECT_THAT(std::string(record.status().message()), HasSubstr("cluster \"default/orders\""));
  EXPECT_TRUE(store_->List("cluster")->empty());
}

TEST_F(SqliteStoreTest, VersionGrowsByOneWithEachPut) {
  ASSERT_TRUE(store_->Commit(PutOne("a", "k", "1", 0)).ok());
  ASSERT_TRUE(store_->Commit(PutOne("a", "k", "2", 1)).ok());
  ASSERT_TRUE(store_->Commit(PutOne("a", "k", "3")).ok());
  EXPECT_EQ(store_->Get("a", "k")->version, 3U);
  EXPECT_EQ(store_->Get("a", "k")->value, "3");
}

TEST_F(SqliteStoreTest, RefusesAnotherVersionAndSaysWhich) {
  ASSERT_TRUE(store_->Commit(PutOne("cluster", "orders", "old")).ok());
  ASSERT_TRUE(store_->Commit(PutOne("cluster", "orders", "new")).ok());
  const absl::Status status = store_->Commit(PutOne("cluster", "orders", "late", 1));
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("cluster \"orders\" has changed"));
  EXPECT_EQ(InfoOf(status).detail, "Expected version 1, found version 2.");
  EXPECT_EQ(InfoOf(status).reason, "version-mismatch");
  EXPECT_EQ(store_->Get("cluster", "orders")->value, "new");
}

TEST_F(SqliteStoreTest, CreatesOnlyWhatIsNotThere) {
  ASSERT_TRUE(store_->Commit(PutOne("a", "k", "first", 0)).ok());
  const absl::Status again = store_->Commit(PutOne("a", "k", "second", 0));
  EXPECT_TRUE(absl::IsAborted(again)) << again;
  EXPECT_THAT(std::string(again.message()), HasSubstr("exists already"));
  const absl::Status gone = store_->Commit(PutOne("a", "other", "x", 4));
  EXPECT_TRUE(absl::IsAborted(gone)) << gone;
  EXPECT_EQ(InfoOf(gone).detail, "Expected version 4, found no record.");
}

TEST_F(SqliteStoreTest, ErasesWithAndWithoutAnExpectedVersion) {
  ASSERT_TRUE(store_->Commit(PutOne("token", "t1", "hash")).ok());
  EXPECT_TRUE(absl::IsAborted(store_->Commit(EraseOne("token", "t1", 2))));
  EXPECT_TRUE(store_->Get("token", "t1").ok());
  EXPECT_TRUE(store_->Commit(EraseOne("token", "t1", 1)).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->Get("token", "t1").status()));
  EXPECT_TRUE(store_->Commit(EraseOne("token", "t1")).ok());
  EXPECT_TRUE(absl::IsAborted(store_->Commit(EraseOne("token", "t1", 1)))) << "a token used twice";
}

TEST_F(SqliteStoreTest, OneWrongVersionUndoesTheWholeTransaction) {
  ASSERT_TRUE(store_->Commit(PutOne("a", "1", "old")).ok());
  ASSERT_TRUE(store_->Commit(PutOne("a", "2", "old")).ok());
  Transaction transaction = EventOne("orders", "never happened");
  transaction.puts = {Put{"a", "1", "new", 1}, Put{"a", "3", "new", 0}};
  transaction.erases = {Erase{"a", "2", 7}};
  EXPECT_TRUE(absl::IsAborted(store_->Commit(transaction)));
  EXPECT_EQ(store_->Get("a", "1")->value, "old");
  EXPECT_TRUE(store_->Get("a", "2").ok());
  EXPECT_FALSE(store_->Get("a", "3").ok());
  EXPECT_TRUE(store_->ListEvents("", 0, 10, false)->empty());
}

TEST_F(SqliteStoreTest, RefusesATransactionThatNamesARecordTwice) {
  Transaction twice = PutOne("a", "k", "1");
  twice.erases.push_back(Erase{"a", "k", std::nullopt});
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Commit(twice)));
  EXPECT_FALSE(store_->Get("a", "k").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Commit(PutOne("", "k", "1"))));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Commit(PutOne("a", "", "1"))));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Commit(PutOne("_store", "incarnation", "9"))));
}

TEST_F(SqliteStoreTest, ErrorsKeepValuesToThemselves) {
  ASSERT_TRUE(store_->Commit(PutOne("secret", "orders", "hunter2")).ok());
  const absl::Status status = store_->Commit(PutOne("secret", "orders", "hunter3", 9));
  EXPECT_THAT(status.ToString(), Not(HasSubstr("hunter")));
}

TEST_F(SqliteStoreTest, ListsOneKindOrderedByKey) {
  for (const char* key : {"db10", "db1", "DB1", "db2"}) {
    ASSERT_TRUE(store_->Commit(PutOne("node", key, "x")).ok());
  }
  ASSERT_TRUE(store_->Commit(PutOne("nodes", "other kind", "x")).ok());
  const auto records = store_->List("node");
  ASSERT_TRUE(records.ok()) << records.status();
  std::vector<std::string> keys;
  for (const Record& record : *records) {
    keys.push_back(record.key);
  }
  EXPECT_THAT(keys, ElementsAre("DB1", "db1", "db10", "db2"));
}

TEST_F(SqliteStoreTest, TakesHostileNamesAsText) {
  const std::string key = "x'; DROP TABLE records; --";
  ASSERT_TRUE(store_->Commit(PutOne("node", key, "still here")).ok());
  EXPECT_EQ(store_->Get("node", key)->value, "still here");
}

TEST_F(SqliteStoreTest, KeepsEveryFieldOfAnEvent) {
  StoredEvent event;
  event.id = 999;
  event.wall_ms = 1'795'000'000'123;
  event.boot_ms = 42;
  event.cluster = "orders";
  event.node = "db2";
  event.epoch = 7;
  event.rule = "promote-candidate";
  event.message = "db2 is primary";
  event.history = true;
  Transaction transaction;
  transaction.events.push_back(event);
  ASSERT_TRUE(store_->Commit(transaction).ok());
  const auto events = store_->ListEvents("orders", 0, 10, false);
  ASSERT_EQ(events->size(), 1U);
  const StoredEvent& found = events->front();
  EXPECT_EQ(found.id, 1U) << "ids are the store's";
  EXPECT_EQ(found.wall_ms, event.wall_ms);
  EXPECT_EQ(found.boot_ms, event.boot_ms);
  EXPECT_EQ(found.cluster, event.cluster);
  EXPECT_EQ(found.node, event.node);
  EXPECT_EQ(found.epoch, event.epoch);
  EXPECT_EQ(found.rule, event.rule);
  EXPECT_EQ(found.message, event.message);
  EXPECT_TRUE(found.history);
}

TEST_F(SqliteStoreTest, ListsEventsInOrderByClusterAndHistory) {
  ASSERT_TRUE(store_->Commit(EventOne("orders", "o1")).ok());
  ASSERT_TRUE(store_->Commit(EventOne("bills", "b1", true)).ok());
  ASSERT_TRUE(store_->Commit(EventOne("orders", "o2", true)).ok());
  ASSERT_TRUE(store_->Commit(EventOne("orders", "o3")).ok());
  EXPECT_THAT(Messages(store_->ListEvents("", 0, 10, false)), ElementsAre("o1", "b1", "o2", "o3"));
  EXPECT_THAT(Messages(store_->ListEvents("orders", 0, 10, false)), ElementsAre("o1", "o2", "o3"));
  EXPECT_THAT(Messages(store_->ListEvents("orders", 0, 10, true)), ElementsAre("o2"));
  EXPECT_THAT(Messages(store_->ListEvents("", 0, 10, true)), ElementsAre("b1", "o2"));
}

TEST_F(SqliteStoreTest, PagesThroughEvents) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(store_->Commit(EventOne("orders", absl::StrCat("e", i))).ok());
  }
  const auto first = store_->ListEvents("orders", 0, 2, false);
  EXPECT_THAT(Messages(first), ElementsAre("e0", "e1"));
  const auto second = store_->ListEvents("orders", first->back().id, 2, false);
  EXPECT_THAT(Messages(second), ElementsAre("e2", "e3"));
  EXPECT_THAT(Messages(store_->ListEvents("", second->back().id, SIZE_MAX, false)),
              ElementsAre("e4"));
  EXPECT_TRUE(store_->ListEvents("", UINT64_MAX, 10, false)->empty());
}

TEST(SqliteStoreEvents, KeepsTheNewestAtOpeningAndNeverRepeatsAnId) {
  const TempDirectory directory;
  const std::string path = directory.File("store.db");
  SqliteStoreOptions options;
  options.max_events = 3;
  auto store = OpenOrFail(path, options);
  for (int i = 1; i <= 10; ++i) {
    ASSERT_TRUE(store->Commit(EventOne("orders", absl::StrCat("e", i))).ok());
  }
  store.reset();
  store = OpenOrFail(path, options);
  const auto events = store->ListEvents("", 0, 100, false);
  EXPECT_THAT(Messages(events), ElementsAre("e8", "e9", "e10"));
  EXPECT_EQ(events->back().id, 10U);
  ASSERT_TRUE(store->Commit(EventOne("orders", "e11")).ok());
  EXPECT_EQ(store->ListEvents("", 10, 100, false)->front().id, 11U);
}

TEST(SqliteStoreEvents, ALongRunDoesNotLetThemGrowForEver) {
  const TempDirectory directory;
  SqliteStoreOptions options;
  options.max_events = 50;
  const auto store = OpenOrFail(directory.File("store.db"), options);
  Transaction many;
  many.events.resize(600);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(store->Commit(many).ok());
  }
  const auto events = store->ListEvents("", 0, SIZE_MAX, false);
  EXPECT_LE(events->size(), 50U + 600U);
  EXPECT_EQ(events->back().id, 3'000U);
}

TEST_F(SqliteStoreTest, EveryCommitIsSyncedBeforeItReturns) {
  for (int i = 0; i < 20; ++i) {
    const int before = SyncCount();
    ASSERT_TRUE(store_->Commit(PutOne("a", "k", absl::StrCat(i))).ok());
    EXPECT_GT(SyncCount(), before) << "commit " << i;
  }
}

TEST_F(SqliteStoreTest, AFailedSyncIsNoSuccess) {
  ASSERT_TRUE(store_->Commit(PutOne("a", "k", "safe")).ok());
  FailSyncs(true);
  const absl::Status status = store_->Commit(PutOne("a", "k", "unsafe"));
  FailSyncs(false);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  EXPECT_EQ(store_->Get("a", "k")->value, "safe");
  EXPECT_TRUE(store_->Commit(PutOne("a", "k", "later", 1)).ok());
  EXPECT_EQ(store_->Get("a", "k")->value, "later");
}

TEST_F(SqliteStoreTest, AnErrorHalfwayLeavesNothingBehindAndWorkGoesOn) {
  const auto outsider = SqliteConnection::Open(path_, /*create=*/false);
  ASSERT_TRUE((*outsider)->Execute("ALTER TABLE events RENAME TO hidden").ok());
  Transaction transaction = EventOne("orders", "e");
  transaction.puts.push_back(Put{"a", "k", "half", std::nullopt});
  EXPECT_FALSE(store_->Commit(transaction).ok());
  EXPECT_FALSE(store_->Get("a", "k").ok());
  ASSERT_TRUE((*outsider)->Execute("ALTER TABLE hidden RENAME TO events").ok());
  EXPECT_TRUE(store_->Commit(transaction).ok());
  EXPECT_EQ(store_->Get("a", "k")->value, "half");
}

TEST_F(SqliteStoreTest, OneVerdictInAGroupDoesNotTouchTheOthers) {
  const std::vector<Transaction> group = {
      PutOne("a", "1", "x", 0), PutOne("a", "1", "y", 0),   PutOne("", "", "z"),
      PutOne("a", "1", "w", 1), EventOne("orders", "kept"),
  };
  const std::vector<absl::Status> statuses = store_->CommitGroup(group);
  ASSERT_EQ(statuses.size(), 5U);
  EXPECT_TRUE(statuses[0].ok()) << statuses[0];
  EXPECT_TRUE(absl::IsAborted(statuses[1])) << statuses[1];
  EXPECT_TRUE(absl::IsInvalidArgument(statuses[2])) << statuses[2];
  EXPECT_TRUE(statuses[3].ok()) << "sees its neighbour's version: " << statuses[3];
  EXPECT_TRUE(statuses[4].ok()) << statuses[4];
  EXPECT_EQ(store_->Get("a", "1")->value, "w");
  EXPECT_EQ(store_->ListEvents("", 0, 10, false)->size(), 1U);
}

TEST_F(SqliteStoreTest, AGroupThatCannotBeStoredFailsAsAWhole) {
  FailSyncs(true);
  const std::vector<Transaction> group = {PutOne("a", "1", "x", 0), PutOne("a", "1", "y", 0)};
  const std::vector<absl::Status> statuses = store_->CommitGroup(group);
  FailSyncs(false);
  EXPECT_TRUE(absl::IsUnavailable(statuses[0])) << statuses[0];
  EXPECT_TRUE(absl::IsUnavailable(statuses[1])) << "not Aborted: nothing was there before it";
  EXPECT_FALSE(store_->Get("a", "1").ok());
}

}  // namespace
}  // namespace pgmahout::controller
