// SPDX-License-Identifier: Apache-2.0
// What the store's tests share: a directory of their own, short ways to write transactions, and
// child processes.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/store/sqlite_store.h"

namespace pgmahout::controller {

class TempDirectory {
 public:
  TempDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "pgmahout-store-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }

  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  std::string File(const std::string& name) const { return absl::StrCat(path_, "/", name); }

 private:
  std::string path_;
};

inline std::unique_ptr<SqliteStore> OpenOrFail(const std::string& path,
                                               SqliteStoreOptions options = {}) {
  auto store = SqliteStore::Open(path, std::move(options));
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

inline Transaction PutOne(const std::string& kind,
                          const std::string& key,
                          const std::string& value,
                          std::optional<uint64_t> expected = std::nullopt) {
  Transaction transaction;
  transaction.puts.push_back(Put{kind, key, value, expected});
  return transaction;
}

inline Transaction EraseOne(const std::string& kind,
                            const std::string& key,
                            std::optional<uint64_t> expected = std::nullopt) {
  Transaction transaction;
  transaction.erases.push_back(Erase{kind, key, expected});
  return transaction;
}

inline Transaction EventOne(const std::string& cluster,
                            const std::string& message,
                            bool history = false) {
  Transaction transaction;
  StoredEvent event;
  event.cluster = cluster;
  event.message = message;
  event.history = history;
  transaction.events.push_back(event);
  return transaction;
}

inline std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Runs `body` in a child process and returns the child's exit code; 128 + number after a signal.
inline int RunInChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace pgmahout::controller
