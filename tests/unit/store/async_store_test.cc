// SPDX-License-Identifier: Apache-2.0
// The store thread: order, group commit, and an end that forgets nobody.
#include "controller/store/async_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/store/sqlite_store.h"
#include "tests/unit/store/store_test_support.h"
#include "tests/unit/store/sync_counter.h"

namespace pgmahout::controller {
namespace {

// Holds the store thread inside a `done` until released, so that later commits queue up.
class Plug {
 public:
  explicit Plug(AsyncStore& async) {
    std::future<void> opened = open_.get_future();
    std::promise<void> entered;
    std::future<void> inside = entered.get_future();
    async.Commit(Transaction{},
                 [opened = std::move(opened), entered = std::move(entered)](absl::Status) mutable {
                   entered.set_value();
                   opened.wait();
                 });
    inside.wait();
  }

  void Pull() { open_.set_value(); }

 private:
  std::promise<void> open_;
};

class AsyncStoreTest : public ::testing::Test {
 protected:
  TempDirectory directory_;
  std::string path_ = directory_.File("store.db");
  std::unique_ptr<SqliteStore> store_ = OpenOrFail(path_);
};

TEST_F(AsyncStoreTest, AnswersOnTheStoreThreadWhenTheCommitIsVisible) {
  AsyncStore async(*store_);
  std::promise<std::thread::id> answered;
  async.Commit(PutOne("a", "k", "v"), [&](absl::Status status) {
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(store_->Get("a", "k")->value, "v");
    answered.set_value(std::this_thread::get_id());
  });
  EXPECT_NE(answered.get_future().get(), std::this_thread::get_id());
}

TEST_F(AsyncStoreTest, WhatQueuesUpSharesOneSync) {
  AsyncStore async(*store_);
  Plug plug(async);
  std::promise<void> last;
  const int before = SyncCount();
  for (int i = 0; i < 100; ++i) {
    async.Commit(PutOne("a", absl::StrCat(i), "v"), [&, i](absl::Status status) {
      EXPECT_TRUE(status.ok()) << status;
      if (i == 99) {
        last.set_value();
      }
    });
  }
  plug.Pull();
  last.get_future().wait();
  EXPECT_GE(SyncCount() - before, 1);
  EXPECT_LE(SyncCount() - before, 3);
  EXPECT_EQ(store_->List("a")->size(), 100U);
}

TEST_F(AsyncStoreTest, AnAbortedNeighbourInTheGroupHurtsNobody) {
  std::vector<absl::Status> answers;
  {
    AsyncStore async(*store_);
    Plug plug(async);
    for (int i = 0; i < 9; ++i) {
      // Every third creates what is there already.
      const std::string key = i % 3 == 2 ? "0" : absl::StrCat(i);
      async.Commit(PutOne("a", key, absl::StrCat("v", i), 0),
                   [&](absl::Status status) { answers.push_back(std::move(status)); });
    }
    plug.Pull();
  }
  ASSERT_EQ(answers.size(), 9U);
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(answers[i].ok(), i % 3 != 2) << i << ": " << answers[i];
  }
  EXPECT_EQ(store_->List("a")->size(), 6U);
  EXPECT_EQ(store_->Get("a", "0")->value, "v0");
}

TEST_F(AsyncStoreTest, TheDestructorFinishesTheQueueInOrder) {
  std::vector<int> order;
  {
    AsyncStore async(*store_);
    Plug plug(async);
    for (int i = 0; i < 1'000; ++i) {
      async.Commit(PutOne("a", "k", absl::StrCat(i)), [&order, i](absl::Status status) {
        EXPECT_TRUE(status.ok()) << status;
        order.push_back(i);
      });
    }
    plug.Pull();
  }
  ASSERT_EQ(order.size(), 1'000U);
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_EQ(order[static_cast<size_t>(i)], i);
  }
  EXPECT_EQ(store_->Get("a", "k")->version, 1'000U);
}

TEST_F(AsyncStoreTest, AnAnswerMayCommitTheNextStep) {
  std::atomic<int> answers{0};
  {
    AsyncStore async(*store_);
    async.Commit(PutOne("a", "k", "1", 0), [&](absl::Status first) {
      EXPECT_TRUE(first.ok()) << first;
      ++answers;
      async.Commit(PutOne("a", "k", "2", 1), [&](absl::Status second) {
        EXPECT_TRUE(second.ok()) << second;
        ++answers;
      });
    });
  }
  EXPECT_EQ(answers, 2);
  EXPECT_EQ(store_->Get("a", "k")->value, "2");
}

// Each thread reads a counter and commits it plus one, again after each lost race.
void CountUp(SqliteStore& store, AsyncStore& async, int times) {
  while (times > 0) {
    const auto record = store.Get("counter", "c");
    ASSERT_TRUE(record.ok()) << record.status();
    std::promise<absl::Status> answer;
    async.Commit(
        PutOne("counter", "c", absl::StrCat(std::stoi(record->value) + 1), record->version),
        [&](absl::Status status) { answer.set_value(std::move(status)); });
    const absl::Status status = answer.get_future().get();
    ASSERT_TRUE(status.ok() || absl::IsAborted(status)) << status;
    times -= status.ok() ? 1 : 0;
  }
}

TEST_F(AsyncStoreTest, FourThreadsLoseNoUpdate) {
  ASSERT_TRUE(store_->Commit(PutOne("counter", "c", "0")).ok());
  AsyncStore async(*store_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { CountUp(*store_, async, 50); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(store_->Get("counter", "c")->value, "200");
  EXPECT_EQ(store_->Get("counter", "c")->version, 201U);
}

}  // namespace
}  // namespace pgmahout::controller
