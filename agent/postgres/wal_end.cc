// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/wal_end.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "common/pg/wal_records.h"

namespace pgmahout::agent {
namespace {

bool ReadPage(const std::string& path, uint64_t offset, WalPage* page) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(page->data(), static_cast<std::streamsize>(page->size()));
  return file.good();
}

// Where the record after `record` begins.
Lsn BehindIt(const WalRecord& record, uint64_t segment_bytes) {
  const Lsn end = WalAligned(record.end);
  return record.is_switch ? Lsn{(end.value + segment_bytes - 1) / segment_bytes * segment_bytes}
                          : end;
}

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

uint64_t SegmentBytes(const std::string& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const uint64_t bytes = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    if (bytes >= kWalPageBytes && StartOfSegment(entry.path().filename().string(), bytes)) {
      return bytes;
    }
  }
  return 0;
}

std::string SegmentPath(const std::string& directory, uint32_t timeline, Lsn at, uint64_t bytes) {
  const uint64_t segment = at.value / bytes;
  const uint64_t per_log = (uint64_t{1} << 32) / bytes;
  return absl::StrFormat("%s/%08X%08X%08X", directory, timeline, segment / per_log,
                         segment % per_log);
}

Lsn EndOfWal(const std::string& wal_directory, uint32_t timeline, Lsn start) {
  const uint64_t segment_bytes = SegmentBytes(wal_directory);
  if (segment_bytes == 0) {
    return start;
  }
  WalRecords records(timeline, [&](Lsn at, WalPage* page) {
    return ReadPage(SegmentPath(wal_directory, timeline, at, segment_bytes),
                    at.value % segment_bytes, page);
  });
  Lsn end = start;
  Lsn previous;
  while (const std::optional<WalRecord> record = records.At(end, previous)) {
    previous = record->begin;
    end = BehindIt(*record, segment_bytes);
  }
  return end;
}

}  // namespace pgmahout::agent
