// SPDX-License-Identifier: Apache-2.0
// A directory that is removed with this object.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace pgmahout::agent {

class StateDirectory {
 public:
  StateDirectory() {
    path_ = (std::filesystem::temp_directory_path() / "pgm-state-XXXXXX").string();
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
  }

  ~StateDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

  const std::string& path() const { return path_; }

  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace pgmahout::agent
