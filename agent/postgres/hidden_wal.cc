// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/hidden_wal.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
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
#include "common/pg/wal_records.h"

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

// A segment as each timeline in the history of one has it.
struct Segment {
  std::string wal_directory;
  uint64_t bytes;
  Lsn start;

  std::string PathIn(uint32_t timeline) const {
    return SegmentPath(wal_directory, timeline, start, bytes);
  }
};

// Behind the last whole record in the file of `timeline`; `start` if there is none. NotFound: there
// is no file. One that cannot be read is not taken for a short one.
absl::StatusOr<Lsn> EndIn(const Segment& segment, uint32_t timeline) {
  PGM_ASSIGN_OR_RETURN(const std::string content,
                       ReadFile(segment.PathIn(timeline), segment.bytes));
  WalRecords records(timeline, PagesOf(content, segment.start));
  Lsn end = records.FirstFrom(segment.start).value_or(segment.start);
  Lsn previous;
  while (const std::optional<WalRecord> record = records.At(end, previous)) {
    previous = record->begin;
    end = WalAligned(record->end);
  }
  return end;
}

// Whether an ancestor's file goes further than `end`. One that goes beyond the fork holds WAL that
// was given up, which must not be read.
absl::StatusOr<bool> AncestorHasMore(const Segment& segment,
                                     const std::map<uint32_t, Lsn>& ends,
                                     Lsn end) {
  for (const auto& [ancestor, fork] : ends) {
    const absl::StatusOr<Lsn> its_end = EndIn(segment, ancestor);
    if (!its_end.ok() && !absl::IsNotFound(its_end.status())) {
      return its_end.status();
    }
    if (its_end.ok() && *its_end > end && *its_end <= fork) {
      return true;
    }
  }
  return false;
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
    const Segment segment{wal, bytes, Lsn{fork.value / bytes * bytes}};
    const absl::StatusOr<Lsn> end = EndIn(segment, timeline);
    if (absl::IsNotFound(end.status())) {
      continue;
    }
    PGM_RETURN_IF_ERROR(end.status());
    if (*end >= fork) {
      continue;
    }
    PGM_ASSIGN_OR_RETURN(const bool hides, AncestorHasMore(segment, ends, *end));
    if (hides) {
      PGM_RETURN_IF_ERROR(SetAside(segment.PathIn(timeline)));
    }
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::agent
