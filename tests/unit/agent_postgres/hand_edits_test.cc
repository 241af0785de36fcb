// SPDX-License-Identifier: Apache-2.0
// Hand edits of our files: put back, and kept beside.
#include "agent/postgres/hand_edits.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "common/base/durable_file.h"

namespace pgmahout::agent {
namespace {

class HandEdits : public testing::Test {
 protected:
  HandEdits() {
    std::string name = testing::TempDir() + "/pgmahout-edits-XXXXXX";
    directory_ = mkdtemp(name.data());
    path_ = directory_ + "/pg_hba.conf";
  }

  ~HandEdits() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& text) {
    ASSERT_TRUE(ReplaceKeepingEdits(path_, text, 0600, directory_ + "/written").ok());
  }

  std::string path_;

 private:
  std::string directory_;
};

TEST_F(HandEdits, WhatWeWroteOurselvesIsJustReplaced) {
  Write("one\n");
  Write("two\n");
  EXPECT_EQ(*ReadFile(path_), "two\n");
  EXPECT_FALSE(std::filesystem::exists(path_ + ".edited"));
}

TEST_F(HandEdits, AnEditIsPutBackAndKeptBeside) {
  Write("one\n");
  ASSERT_TRUE(WriteFileAtomically(path_, "one\nhost all all 0.0.0.0/0 trust\n", 0600).ok());
  Write("one\n");
  EXPECT_EQ(*ReadFile(path_), "one\n");
  EXPECT_EQ(*ReadFile(path_ + ".edited"), "one\nhost all all 0.0.0.0/0 trust\n");
}

TEST_F(HandEdits, TheFilesOfANewServerAreNoEdits) {
  ASSERT_TRUE(WriteFileAtomically(path_, "as initdb wrote it\n", 0600).ok());
  Write("one\n");
  EXPECT_FALSE(std::filesystem::exists(path_ + ".edited"));
}

TEST_F(HandEdits, ARemovedFileComesBack) {
  Write("one\n");
  std::filesystem::remove(path_);
  Write("one\n");
  EXPECT_EQ(*ReadFile(path_), "one\n");
}

}  // namespace
}  // namespace pgmahout::agent
