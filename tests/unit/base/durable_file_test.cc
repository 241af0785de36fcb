// SPDX-License-Identifier: Apache-2.0
// Files that are promised to somebody: whole, private from the first byte, and old content kept
// when the new cannot be written.
#include "common/base/durable_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace pgmahout {
namespace {

class DurableFile : public ::testing::Test {
 protected:
  DurableFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pgm_base.XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    path_ = directory_ + "/file";
  }

  ~DurableFile() override { std::filesystem::remove_all(directory_); }

  static mode_t ModeOf(const std::string& path) {
    struct stat info {};

    return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777U : 0;
  }

  std::string directory_;
  std::string path_;
};

TEST_F(DurableFile, IsReadBackWhole) {
  std::string content = "line\n";
  content += std::string(200'000, 'x');
  content += '\0';
  ASSERT_TRUE(WriteFileDurably(path_, content, 0600).ok());
  EXPECT_EQ(ReadFile(path_).value(), content);
}

TEST_F(DurableFile, HasTheModeAskedFor) {
  ASSERT_TRUE(WriteFileDurably(path_, "secret", 0600).ok());
  EXPECT_EQ(ModeOf(path_), 0600U);
  ASSERT_TRUE(WriteFileAtomically(directory_ + "/other", "public", 0640).ok());
  EXPECT_EQ(ModeOf(directory_ + "/other"), 0640U);
}

TEST_F(DurableFile, ReplacesContentAndMode) {
  ASSERT_TRUE(WriteFileDurably(path_, "public", 0644).ok());
  ASSERT_TRUE(WriteFileDurably(path_, "secret", 0600).ok());
  EXPECT_EQ(ReadFile(path_).value(), "secret");
  EXPECT_EQ(ModeOf(path_), 0600U);
}

TEST_F(DurableFile, LeavesNoTemporaryFile) {
  ASSERT_TRUE(WriteFileDurably(path_, "a", 0600).ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".tmp"));
}

TEST_F(DurableFile, LeftoverOfACrashDoesNotLendItsMode) {
  ASSERT_TRUE(WriteFileAtomically(path_ + ".tmp", "left over", 0666).ok());
  ASSERT_EQ(chmod((path_ + ".tmp").c_str(), 0666), 0);
  ASSERT_TRUE(WriteFileDurably(path_, "secret", 0600).ok());
  EXPECT_EQ(ModeOf(path_), 0600U);
  EXPECT_EQ(ReadFile(path_).value(), "secret");
}

TEST_F(DurableFile, DoesNotFollowALinkAtTheTemporaryName) {
  ASSERT_TRUE(WriteFileDurably(directory_ + "/victim", "precious", 0600).ok());
  ASSERT_EQ(symlink((directory_ + "/victim").c_str(), (path_ + ".tmp").c_str()), 0);
  ASSERT_TRUE(WriteFileDurably(path_, "new", 0600).ok());
  EXPECT_EQ(ReadFile(directory_ + "/victim").value(), "precious");
}

// A limit on file size stands in for a full disk: write() fails half way.
TEST_F(DurableFile, KeepsTheOldContentWhenTheDiskIsFull) {
  ASSERT_TRUE(WriteFileDurably(path_, "old", 0600).ok());

  struct rlimit before {};

  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = before;
  limit.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status = WriteFileDurably(path_, std::string(100'000, 'x'), 0600);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_DFL);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(std::string(status.message()), "cannot write \"" + path_ + ".tmp\": File too large");
  EXPECT_EQ(ReadFile(path_).value(), "old");
}

TEST_F(DurableFile, ErrorsTellThePath) {
  const absl::Status status = WriteFileDurably(directory_ + "/none/file", "x", 0600);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(status.message().find(directory_ + "/none/file"), absl::string_view::npos);
  EXPECT_EQ(ReadFile(path_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ReadFile(directory_).ok());
  EXPECT_FALSE(SyncDirectory(directory_ + "/none").ok());
}

TEST_F(DurableFile, TooLargeIsRefusedInsteadOfRead) {
  ASSERT_TRUE(WriteFileDurably(path_, std::string(1'000, 'x'), 0600).ok());
  EXPECT_TRUE(ReadFile(path_, 1'000).ok());
  const absl::Status status = ReadFile(path_, 999).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("larger than 999 bytes"), absl::string_view::npos);
}

TEST_F(DurableFile, DirectoriesAreMadeWithTheirParents) {
  ASSERT_TRUE(MakeDirectories(directory_ + "/a/b/c", 0700).ok());
  EXPECT_EQ(ModeOf(directory_ + "/a/b/c"), 0700U);
  EXPECT_TRUE(MakeDirectories(directory_ + "/a/b/c", 0700).ok()) << "fine if it is there";
  ASSERT_TRUE(WriteFileDurably(path_, "x", 0600).ok());
  EXPECT_EQ(MakeDirectories(path_, 0700).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(MakeDirectories(path_ + "/below", 0700).ok());
}

}  // namespace
}  // namespace pgmahout
