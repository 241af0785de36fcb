// SPDX-License-Identifier: Apache-2.0
// kill -9 in the middle of commits: what was acknowledged is there afterwards, and each
// transaction is there whole or not at all.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "controller/store/async_store.h"
#include "controller/store/sqlite_store.h"
#include "tests/unit/store/store_test_support.h"

namespace pgmahout::controller {
namespace {

// Two records and one event that must share their fate.
Transaction Numbered(uint32_t number) {
  Transaction transaction = EventOne("orders", absl::StrCat(number));
  transaction.puts.push_back(Put{"left", absl::StrCat(number), std::string(300, 'l'), 0});
  transaction.puts.push_back(Put{"right", absl::StrCat(number), std::string(300, 'r'), 0});
  return transaction;
}

// Commits numbers from `first` on for ever, and writes each acknowledged one into `acknowledged`.
void CommitUntilKilled(const std::string& path, uint32_t first, int acknowledged) {
  const auto store = SqliteStore::Open(path);
  if (!store.ok()) {
    _exit(1);
  }
  AsyncStore async(**store);
  for (uint32_t number = first;; ++number) {
    async.Commit(Numbered(number), [number, acknowledged](absl::Status status) {
      if (!status.ok() || write(acknowledged, &number, sizeof number) != sizeof number) {
        _exit(2);
      }
    });
    if (number % 8 == 0) {
      usleep(300);  // groups of different sizes, and a queue that stays short
    }
  }
}

std::optional<uint32_t> ReadNumber(int fd) {
  uint32_t number = 0;
  return read(fd, &number, sizeof number) == sizeof number ? std::optional(number) : std::nullopt;
}

// Lets a child commit until `count` acknowledgements came, kills it, and returns all it gave.
std::vector<uint32_t> CommitAndKill(const std::string& path, uint32_t first, size_t count) {
  int pipe_ends[2];
  EXPECT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(pipe_ends[0]);
    CommitUntilKilled(path, first, pipe_ends[1]);
  }
  close(pipe_ends[1]);
  std::vector<uint32_t> numbers;
  while (const auto number = ReadNumber(pipe_ends[0])) {
    numbers.push_back(*number);
    if (numbers.size() == count) {
      kill(child, SIGKILL);
    }
  }
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "status " << status;
  return numbers;
}

std::set<uint32_t> KeysOf(SqliteStore& store, const std::string& kind) {
  std::set<uint32_t> keys;
  const auto records = store.List(kind);
  EXPECT_TRUE(records.ok()) << records.status();
  for (const Record& record : *records) {
    uint32_t key = 0;
    EXPECT_TRUE(absl::SimpleAtoi(record.key, &key));
    keys.insert(key);
  }
  return keys;
}

std::set<uint32_t> EventsOf(SqliteStore& store) {
  std::set<uint32_t> numbers;
  const auto events = store.ListEvents("orders", 0, SIZE_MAX, false);
  EXPECT_TRUE(events.ok()) << events.status();
  for (const StoredEvent& event : *events) {
    uint32_t number = 0;
    EXPECT_TRUE(absl::SimpleAtoi(event.message, &number));
    numbers.insert(number);
  }
  return numbers;
}

TEST(Crash, EverythingAcknowledgedSurvivesKillNine) {
  const TempDirectory directory;
  const std::string path = directory.File("store.db");
  std::set<uint32_t> acknowledged;
  for (uint32_t round = 1; round <= 8; ++round) {
    const auto numbers = CommitAndKill(path, round * 1'000'000, 40 + 77 * round);
    ASSERT_GE(numbers.size(), 40 + 77 * round);
    acknowledged.insert(numbers.begin(), numbers.end());
    const auto store = OpenOrFail(path);
    ASSERT_NE(store, nullptr);
    const std::set<uint32_t> left = KeysOf(*store, "left");
    EXPECT_EQ(left, KeysOf(*store, "right"));
    EXPECT_EQ(left, EventsOf(*store));
    for (const uint32_t number : acknowledged) {
      EXPECT_EQ(left.count(number), 1U) << "lost " << number << " in round " << round;
    }
  }
}

}  // namespace
}  // namespace pgmahout::controller
