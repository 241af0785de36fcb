// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/diverged_wal.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "agent/postgres/control_data.h"
#include "agent/postgres/wal_end.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

std::string RangeFile(const Layout& layout, uint64_t epoch) {
  return layout.DivergedDirectory(epoch) + "/range";
}

absl::Status Record(const StepRun& run, const DivergedWal& wal) {
  PGM_RETURN_IF_ERROR(MakeDirectories(run.layout.DivergedDirectory(wal.epoch), 0700));
  return WriteFileDurably(
      RangeFile(run.layout, wal.epoch),
      absl::StrCat(wal.timeline, " ", FormatLsn(wal.from), " ", FormatLsn(wal.to), "\n"), 0600);
}

// A recycled segment has the name of WAL to come and still holds old WAL. The first page says which
// position it is for (access/xlog_internal.h, XLogPageHeaderData: xlp_pageaddr).
bool HoldsItsOwnWal(const fs::path& path, Lsn start) {
  struct {
    uint16_t magic;
    uint16_t info;
    uint32_t timeline;
    uint64_t address;
  } header{};

  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  return file.good() && header.address == start.value;
}

// The highest timeline with WAL in `wal`. A server that was promoted and died before its first
// checkpoint still has the one before in pg_control.
uint32_t NewestTimeline(const std::string& wal, uint32_t known) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(wal, error)) {
    const std::string name = entry.path().filename().string();
    const uint64_t bytes = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    const std::optional<Lsn> start = StartOfSegment(name, bytes);
    uint32_t timeline = 0;
    if (start.has_value() && HoldsItsOwnWal(entry.path(), *start) &&
        absl::SimpleHexAtoi(name.substr(0, 8), &timeline)) {
      known = std::max(known, timeline);
    }
  }
  return known;
}

// Copies, not links: pg_rewind writes into the files.
absl::Status CopySegments(const std::string& wal, const std::string& target, Lsn from) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(wal, error)) {
    const std::string name = entry.path().filename().string();
    const uint64_t bytes = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    const std::optional<Lsn> start = StartOfSegment(name, bytes);
    if (start.has_value() && start->value + bytes > from.value &&
        HoldsItsOwnWal(entry.path(), *start)) {
      fs::copy_file(entry.path(), fs::path(target) / name, fs::copy_options::overwrite_existing,
                    error);
    }
    if (error) {
      return ErrnoStatus(error.value(), absl::StrCat("cannot save diverged WAL of \"", wal, "\""));
    }
  }
  return SyncDirectory(target);
}

// Where `timeline` left the history of the new one, as far as it is known here; else 0/0.
Lsn ForkOf(const StepRun& run, const std::string& directory, uint32_t timeline) {
  if (timeline == run.desired.parent_timeline) {
    return run.desired.fork_lsn;
  }
  if (timeline != run.desired.upstream_timeline) {
    return Lsn{};
  }
  // Two promotions took the same number: the histories parted where the first of them began.
  const std::map<uint32_t, Lsn> ends = EndsOfTimelines(directory, timeline);
  return ends.empty() ? Lsn{} : std::min(ends.rbegin()->second, run.desired.fork_lsn);
}

}  // namespace

absl::Status KeepDivergedWal(const StepRun& run, const std::string& directory) {
  const uint64_t epoch = run.step.memory.epoch;
  if (ReadDivergedWal(run.layout, epoch).has_value()) {
    return absl::OkStatus();
  }
  const std::string wal = directory + "/pg_wal";
  const std::string target = run.layout.DivergedDirectory(epoch);
  PGM_ASSIGN_OR_RETURN(const std::string bin,
                       run.layout.BinDirectory(run.desired.spec.postgres_major));
  PGM_ASSIGN_OR_RETURN(const ControlData control, ReadControlData(bin, directory));
  const uint32_t timeline = NewestTimeline(wal, control.timeline);
  DivergedWal range{epoch, timeline, ForkOf(run, directory, timeline), Lsn{}};
  PGM_RETURN_IF_ERROR(MakeDirectories(target, 0700));
  PGM_RETURN_IF_ERROR(CopySegments(wal, target, range.from));
  Lsn start = std::max(control.checkpoint_lsn, range.from);
  if (const auto ends = EndsOfTimelines(directory, timeline); timeline > control.timeline) {
    start = ends.empty() ? range.from : std::max(ends.rbegin()->second, range.from);
  }
  range.to = std::max(range.from, EndOfWal(wal, timeline, start));
  return Record(run, range);
}

absl::Status RecordNothingLost(const StepRun& run) {
  const Lsn fork = run.desired.fork_lsn;
  return Record(run, DivergedWal{run.step.memory.epoch, run.desired.parent_timeline, fork, fork});
}

absl::Status RecordFork(const StepRun& run, Lsn fork) {
  std::optional<DivergedWal> range = ReadDivergedWal(run.layout, run.step.memory.epoch);
  if (!range.has_value() || range->from.valid()) {
    return absl::OkStatus();
  }
  range->from = fork;
  range->to = std::max(range->to, fork);
  return Record(run, *range);
}

std::optional<DivergedWal> ReadDivergedWal(const Layout& layout, uint64_t epoch) {
  const absl::StatusOr<std::string> text = ReadFile(RangeFile(layout, epoch), 4096);
  if (!text.ok()) {
    return std::nullopt;
  }
  const std::vector<std::string> words = absl::StrSplit(*text, absl::ByAnyChar(" \n"));
  DivergedWal wal;
  wal.epoch = epoch;
  if (words.size() != 4 || !absl::SimpleAtoi(words[0], &wal.timeline)) {
    return std::nullopt;
  }
  const std::optional<Lsn> from = ParseLsn(words[1]);
  const std::optional<Lsn> to = ParseLsn(words[2]);
  if (!from.has_value() || !to.has_value()) {
    return std::nullopt;
  }
  wal.from = *from;
  wal.to = *to;
  return wal;
}

std::map<uint32_t, Lsn> EndsOfTimelines(const std::string& data_directory, uint32_t timeline) {
  std::map<uint32_t, Lsn> ends;
  const absl::StatusOr<std::string> text =
      ReadFile(absl::StrFormat("%s/pg_wal/%08X.history", data_directory, timeline));
  if (!text.ok()) {
    return ends;
  }
  for (const auto& line : absl::StrSplit(*text, '\n', absl::SkipWhitespace())) {
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    uint32_t earlier = 0;
    if (fields.size() >= 2 && absl::SimpleAtoi(fields[0], &earlier)) {
      ends[earlier] = ParseLsn(fields[1]).value_or(Lsn{});
    }
  }
  return ends;
}

}  // namespace pgmahout::agent
