// SPDX-License-Identifier: Apache-2.0
// A directory of its own for one test, removed with it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace pgmahout::testing {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "pgmahout-net-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }

  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace pgmahout::testing
