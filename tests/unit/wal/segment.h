// SPDX-License-Identifier: Apache-2.0
// WAL segments for tests: a true first page header and reproducible noise behind it. Also the
// directory they live in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pgmahout::wal {

inline constexpr uint64_t kMebibyte = uint64_t{1} << 20;

// What a generated segment is, and what its first page says of itself.
struct SegmentSpec {
  uint32_t timeline = 1;
  uint32_t log = 0;
  uint32_t segment = 1;
  uint64_t bytes = kMebibyte;  // the smallest size that initdb allows
  uint32_t noise = 1;          // another number gives other content under the same name
};

std::string NameOf(const SegmentSpec& spec);
std::string MakeSegment(const SegmentSpec& spec);

// A new directory below the system's temporary one; removed with all it holds.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }

  // Creates the directory `name` in this one and returns its path.
  std::string Make(absl::string_view name) const;

 private:
  std::string path_;
};

// Plain file access that fails the running test when it cannot do its work.
void WriteWhole(const std::string& path, absl::string_view content);
std::string ReadWhole(const std::string& path);

// Writes the segment below its own name into `directory` and returns its path.
std::string WriteSegment(const std::string& directory, const SegmentSpec& spec);

// Names in `directory`, hidden ones too, sorted.
std::vector<std::string> ListDirectory(const std::string& directory);

}  // namespace pgmahout::wal
