// SPDX-License-Identifier: Apache-2.0
// The layout is PostgreSQL's (access/xlog_internal.h, access/xlogrecord.h), the same since 9.5.
#include "agent/postgres/wal_end.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

namespace pgmahout::agent {
namespace {

constexpr uint64_t kPageBytes = 8192;
constexpr uint64_t kShortHeader = 24;
constexpr uint64_t kLongHeader = 40;
constexpr uint16_t kFirstIsContinued = 0x0001;  // XLP_FIRST_IS_CONTRECORD
constexpr uint16_t kHasLongHeader = 0x0002;     // XLP_LONG_HEADER
constexpr uint32_t kRecordHeader = 24;
constexpr uint32_t kRecordMost = uint32_t{1} << 30;

struct PageHeader {
  uint16_t magic;
  uint16_t info;
  uint32_t timeline;
  uint64_t address;
  uint32_t remaining;  // of a record that began on an earlier page
};

constexpr Lsn Aligned(Lsn lsn) {
  return Lsn{(lsn.value + 7) / 8 * 8};
}

// The size of the segments in `directory`; 0 where there are none.
uint64_t SegmentBytes(const std::string& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const uint64_t bytes = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    if (bytes >= kPageBytes && StartOfSegment(entry.path().filename().string(), bytes)) {
      return bytes;
    }
  }
  return 0;
}

class Reader {
 public:
  Reader(std::string directory, uint32_t timeline)
      : directory_(std::move(directory)),
        timeline_(timeline),
        segment_bytes_(SegmentBytes(directory_)) {}

  // Where the record at `start` ends; nothing unless a whole one is there that follows the one at
  // `previous` (0/0: whatever it follows).
  std::optional<Lsn> EndOfRecord(Lsn start, Lsn previous) {
    std::optional<Lsn> at = Enter(start, /*remaining=*/0);
    if (!at.has_value()) {
      return std::nullopt;
    }
    begin_ = *at;
    uint32_t length = 0;
    Copy(*at, &length, sizeof length);  // records are aligned, so it lies on one page
    if (length < kRecordHeader || length > kRecordMost) {
      return std::nullopt;
    }
    std::array<char, kRecordHeader> header{};
    uint32_t done = 0;
    while (done < length) {
      const uint64_t room = kPageBytes - at->value % kPageBytes;
      const uint32_t part = static_cast<uint32_t>(std::min<uint64_t>(room, length - done));
      if (done < kRecordHeader) {
        Copy(*at, header.data() + done, std::min(part, kRecordHeader - done));
      }
      done += part;
      at = Lsn{at->value + part};
      if (done < length) {
        at = Enter(*at, length - done);
        if (!at.has_value()) {
          return std::nullopt;
        }
      }
    }
    uint64_t follows = 0;
    std::memcpy(&follows, header.data() + 8, sizeof follows);
    return previous.valid() && follows != previous.value ? std::nullopt : at;
  }

  // Where the record that EndOfRecord() looked at last begins, page header passed.
  Lsn begin() const { return begin_; }

 private:
  // Loads the page of `at` and steps over its header. Nothing where the page is not of this WAL.
  std::optional<Lsn> Enter(Lsn at, uint32_t remaining) {
    const Lsn page{at.value / kPageBytes * kPageBytes};
    if (page != loaded_ && !Load(page)) {
      return std::nullopt;
    }
    if (at != page) {
      return at;
    }
    PageHeader header{};
    std::memcpy(&header, bytes_.data(), sizeof header);
    const bool continued = (header.info & kFirstIsContinued) != 0;
    if (continued != (remaining > 0) || (continued && header.remaining != remaining)) {
      return std::nullopt;
    }
    return Lsn{at.value + ((header.info & kHasLongHeader) != 0 ? kLongHeader : kShortHeader)};
  }

  bool Load(Lsn page) {
    loaded_ = Lsn{};
    if (segment_bytes_ == 0) {
      return false;
    }
    const uint64_t segment = page.value / segment_bytes_;
    const uint64_t per_log = (uint64_t{1} << 32) / segment_bytes_;
    const std::string path = absl::StrFormat("%s/%08X%08X%08X", directory_, timeline_,
                                             segment / per_log, segment % per_log);
    std::ifstream file(path, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(page.value % segment_bytes_));
    file.read(bytes_.data(), kPageBytes);
    PageHeader header{};
    std::memcpy(&header, bytes_.data(), sizeof header);
    if (!file.good() || (header.magic & 0xFF00) != 0xD100 || header.address != page.value ||
        header.timeline == 0 || header.timeline > timeline_) {
      return false;
    }
    loaded_ = page;
    return true;
  }

  void Copy(Lsn at, void* to, size_t bytes) const {
    std::memcpy(to, bytes_.data() + at.value % kPageBytes, bytes);
  }

  const std::string directory_;
  const uint32_t timeline_;
  const uint64_t segment_bytes_;
  Lsn loaded_;  // the page in bytes_
  Lsn begin_;
  std::array<char, kPageBytes> bytes_{};
};

}  // namespace

std::optional<Lsn> StartOfSegment(absl::string_view name, uint64_t bytes) {
  uint32_t timeline = 0;
  uint32_t log = 0;
  uint32_t segment = 0;
  if (name.size() != 24 || !absl::SimpleHexAtoi(name.substr(0, 8), &timeline) ||
      !absl::SimpleHexAtoi(name.substr(8, 8), &log) ||
      !absl::SimpleHexAtoi(name.substr(16, 8), &segment)) {
    return std::nullopt;
  }
  return Lsn{(uint64_t{log} << 32) + uint64_t{segment} * bytes};
}

Lsn EndOfWal(const std::string& wal_directory, uint32_t timeline, Lsn start) {
  Reader reader(wal_directory, timeline);
  Lsn end = start;
  Lsn previous;
  while (const std::optional<Lsn> next = reader.EndOfRecord(end, previous)) {
    previous = reader.begin();
    end = Aligned(*next);
  }
  return end;
}

}  // namespace pgmahout::agent
