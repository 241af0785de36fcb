// SPDX-License-Identifier: Apache-2.0
// A full disk: ResourceExhausted, nothing half done, and work goes on when there is room.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
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

// No file of this process grows beyond `bytes` while this lives; writes fail with EFBIG.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }

  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*old_handler_)(int);
  rlimit old_{};
};

// Commits records of 8 KiB until one fails; returns how many succeeded.
int FillUp(Store& store, absl::Status& failure) {
  const std::string value(8192, 'f');
  for (int i = 0; i < 10'000; ++i) {
    failure = store.Commit(PutOne("filler", absl::StrCat(i), value, 0));
    if (!failure.ok()) {
      return i;
    }
  }
  return 10'000;
}

TEST(FullDisk, CommitsFailCleanlyAndWorkAgainAfterwards) {
  const TempDirectory directory;
  const std::string path = directory.File("store.db");
  auto store = OpenOrFail(path);
  ASSERT_TRUE(store->Commit(PutOne("a", "k", "before")).ok());
  absl::Status failure;
  int stored = 0;
  {
    const FileSizeLimit limit(512 << 10);
    stored = FillUp(*store, failure);
    EXPECT_EQ(store->Get("a", "k")->value, "before") << "reading goes on";
  }
  EXPECT_TRUE(absl::IsResourceExhausted(failure)) << failure;
  EXPECT_FALSE(InfoOf(failure).hint.empty());
  EXPECT_GT(stored, 5);
  EXPECT_EQ(store->List("filler")->size(), static_cast<size_t>(stored));
  ASSERT_TRUE(store->Commit(PutOne("a", "k", "after", 1)).ok());
  store.reset();
  store = OpenOrFail(path);
  EXPECT_EQ(store->Get("a", "k")->value, "after");
  EXPECT_EQ(store->List("filler")->size(), static_cast<size_t>(stored));
}

TEST(FullDisk, InAGroupOnlyTheOneThatDoesNotFitFails) {
  const TempDirectory directory;
  const auto store = OpenOrFail(directory.File("store.db"));
  const std::vector<Transaction> group = {PutOne("a", "1", "small"),
                                          PutOne("a", "2", std::string(16 << 20, 'L')),
                                          PutOne("a", "3", "small")};
  std::vector<absl::Status> statuses;
  {
    const FileSizeLimit limit(1 << 20);
    statuses = store->CommitGroup(group);
  }
  EXPECT_TRUE(statuses[0].ok()) << statuses[0];
  EXPECT_TRUE(absl::IsResourceExhausted(statuses[1])) << statuses[1];
  EXPECT_TRUE(statuses[2].ok()) << statuses[2];
  EXPECT_EQ(store->List("a")->size(), 2U);
}

constexpr int kNoMount = 77;

// On a file system of 1 MiB with a ballast file: fill, fail, drop the ballast, go on.
int FillSmallFileSystem(const std::string& mount_point) {
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=1m") != 0) {
    return kNoMount;
  }
  const std::string ballast = mount_point + "/ballast";
  WriteBytes(ballast, std::string(300 << 10, 'b'));
  auto store = SqliteStore::Open(mount_point + "/store.db");
  if (!store.ok()) {
    return 1;
  }
  absl::Status failure;
  const int stored = FillUp(**store, failure);
  if (!absl::IsResourceExhausted(failure) || stored < 5) {
    return 2;
  }
  std::filesystem::remove(ballast);
  if (!(*store)->Commit(PutOne("a", "k", "after")).ok()) {
    return 3;
  }
  store->reset();
  store = SqliteStore::Open(mount_point + "/store.db");
  const bool kept = store.ok() && (*store)->List("filler")->size() == static_cast<size_t>(stored) &&
                    (*store)->Get("a", "k").ok();
  return kept ? 0 : 4;
}

TEST(FullDisk, ARealFullFileSystemIsSurvived) {
  const TempDirectory directory;
  const std::string mount_point = directory.File("small");
  std::filesystem::create_directory(mount_point);
  const int exit_code = RunInChild([&] { return FillSmallFileSystem(mount_point); });
  if (exit_code == kNoMount) {
    GTEST_SKIP() << "may not mount a file system here";
  }
  EXPECT_EQ(exit_code, 0);
}

}  // namespace
}  // namespace pgmahout::controller
