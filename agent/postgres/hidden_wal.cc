// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/hidden_wal.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/postgres/diverged_wal.h"
#include "agent/postgres/wal_end.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::vector<uint32_t>> TimelinesWithHistory(const std::string& wal_directory) {
  std::vector<uint32_t> timelines;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(wal_directory, error)) {
    const std::string name = entry.path().filename().string();
    uint32_t timeline = 0;
    if (absl::EndsWith(name, ".history") && absl::SimpleHexAtoi(name.substr(0, 8), &timeline)) {
      timelines.push_back(timeline);
    }
  }
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("cannot read \"", wal_directory, "\""));
  }
  return timelines;
}

// Whether an ancestor's file of the same segment goes further than `end`, where that of the
// timeline itself ends.
bool AncestorHasMore(const std::string& wal_directory,
                     const std::map<uint32_t, Lsn>& ends,
                     Lsn start,
                     uint64_t bytes,
                     Lsn end) {
  return std::any_of(ends.begin(), ends.end(), [&](const auto& ancestor) {
    const std::string path = SegmentPath(wal_directory, ancestor.first, start, bytes);
    return EndOfWalInSegment(path, ancestor.first, start) > end;
  });
}

absl::Status SetAside(const std::string& path) {
  LogWarning("a segment of a new timeline that was only begun would hide WAL of the one before",
             {{"file", path}, {"renamed to", absl::StrCat(path, ".short")}});
  if (rename(path.c_str(), absl::StrCat(path, ".short").c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot rename \"", path, "\""));
  }
  return SyncDirectory(fs::path(path).parent_path().string());
}

}  // namespace

absl::Status UncoverWal(const std::string& data_directory) {
  const std::string wal = data_directory + "/pg_wal";
  PGM_ASSIGN_OR_RETURN(const std::vector<uint32_t> timelines, TimelinesWithHistory(wal));
  const uint64_t bytes = SegmentBytes(wal);
  for (const uint32_t timeline : timelines) {
    const std::map<uint32_t, Lsn> ends = EndsOfTimelines(data_directory, timeline);
    const Lsn fork = ends.empty() ? Lsn{} : ends.rbegin()->second;
    if (!fork.valid() || bytes == 0) {
      continue;
    }
    const Lsn start{fork.value / bytes * bytes};
    const std::string path = SegmentPath(wal, timeline, start, bytes);
    std::error_code error;
    if (!fs::exists(path, error)) {
      continue;
    }
    const Lsn end = EndOfWalInSegment(path, timeline, start);
    if (end < fork && AncestorHasMore(wal, ends, start, bytes, end)) {
      PGM_RETURN_IF_ERROR(SetAside(path));
    }
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::agent
