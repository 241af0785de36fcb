// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/wal/segment.h"

#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "absl/strings/str_cat.h"
#include "agent/wal/wal_name.h"
#include "gtest/gtest.h"

namespace pgmahout::wal {
namespace {

namespace fs = std::filesystem;

template <typename T>
void PutAt(std::string& page, size_t offset, T value) {
  std::memcpy(page.data() + offset, &value, sizeof(value));
}

}  // namespace

std::string NameOf(const SegmentSpec& spec) {
  return SegmentName(spec.timeline, spec.log, spec.segment);
}

std::string MakeSegment(const SegmentSpec& spec) {
  std::string content(spec.bytes, '\0');
  std::mt19937_64 noise(spec.noise);
  for (size_t offset = 0; offset + sizeof(uint64_t) <= content.size(); offset += sizeof(uint64_t)) {
    PutAt<uint64_t>(content, offset, noise());
  }
  // XLogLongPageHeaderData of PostgreSQL 15.
  PutAt<uint16_t>(content, 0, 0xD110);  // xlp_magic
  PutAt<uint16_t>(content, 2, 0x0002);  // xlp_info: XLP_LONG_HEADER
  PutAt<uint32_t>(content, 4, spec.timeline);
  PutAt<uint64_t>(content, 8, (uint64_t{spec.log} << 32) + uint64_t{spec.segment} * spec.bytes);
  PutAt<uint32_t>(content, 16, 0);                       // xlp_rem_len
  PutAt<uint64_t>(content, 24, 7300000000000000001ULL);  // xlp_sysid
  PutAt<uint32_t>(content, 32, static_cast<uint32_t>(spec.bytes));
  PutAt<uint32_t>(content, 36, 8192);  // xlp_xlog_blcksz
  return content;
}

ScratchDirectory::ScratchDirectory()
    : path_((fs::temp_directory_path() / "pgm-wal-XXXXXX").string()) {
  if (mkdtemp(path_.data()) == nullptr) {
    ADD_FAILURE() << "cannot create a temporary directory: " << std::strerror(errno);
    path_.clear();
  }
}

ScratchDirectory::~ScratchDirectory() {
  if (!path_.empty()) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
}

std::string ScratchDirectory::Make(absl::string_view name) const {
  const std::string made = absl::StrCat(path_, "/", name);
  fs::create_directories(made);
  return made;
}

void WriteWhole(const std::string& path, absl::string_view content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  EXPECT_TRUE(out.good()) << "cannot write " << path;
}

std::string ReadWhole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << "cannot read " << path;
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  std::string content(error ? 0 : bytes, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  EXPECT_EQ(static_cast<size_t>(in.gcount()), content.size()) << path;
  return content;
}

std::string WriteSegment(const std::string& directory, const SegmentSpec& spec) {
  const std::string path = absl::StrCat(directory, "/", NameOf(spec));
  WriteWhole(path, MakeSegment(spec));
  return path;
}

std::vector<std::string> ListDirectory(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace pgmahout::wal
