// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/timelines.h"

#include <filesystem>
#include <set>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/pg/timeline_placeholder.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

// So many changes of primary without a promotion in a row there are not. Who claims more talks
// nonsense, and nobody waits for that many files.
constexpr uint32_t kMostPlaceholders = 1'000;

std::string HistoryPath(const std::string& directory, uint32_t timeline) {
  return absl::StrFormat("%s/%08X.history", directory, timeline);
}

// What the archive knows of `timeline`; NotFound: nothing, or there is no archive.
absl::StatusOr<std::string> ArchivedHistory(const StepRun& run, uint32_t timeline) {
  const std::string& archive = run.desired.spec.archive_directory;
  return archive.empty() ? absl::NotFoundError("there is no archive")
                         : ReadFile(HistoryPath(archive, timeline));
}

// The lowest number that this promotion may begin.
uint32_t LowestNumber(const StepRun& run, uint32_t timeline) {
  const uint32_t lowest = run.step.new_timeline;
  if (lowest > timeline && lowest - timeline > kMostPlaceholders) {
    LogWarning("a timeline is begun without keeping the lower numbers free: they are too many",
               {{"from", absl::StrCat(timeline)}, {"lowest", absl::StrCat(lowest)}});
    return 0;
  }
  return lowest;
}

}  // namespace

absl::Status TakeTimelineNumbers(const StepRun& run, uint32_t timeline) {
  const uint32_t lowest = LowestNumber(run, timeline);
  const std::string wal = run.DataDirectory() + "/pg_wal";
  for (uint32_t next = timeline + 1;; ++next) {
    const std::string path = HistoryPath(wal, next);
    const absl::StatusOr<std::string> archived = ArchivedHistory(run, next);
    if (archived.ok()) {
      PGM_RETURN_IF_ERROR(WriteFileAtomically(path, *archived, 0600));
      continue;
    }
    if (!absl::IsNotFound(archived.status())) {
      return archived.status();
    }
    if (next >= lowest) {
      return absl::OkStatus();
    }
    std::error_code error;
    if (!fs::exists(path, error)) {
      PGM_RETURN_IF_ERROR(WriteFileAtomically(path, kTimelinePlaceholder, 0600));
    }
  }
}

bool IsTimelinePlaceholder(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() && *text == kTimelinePlaceholder;
}

absl::Status RemoveVainPlaceholders(const std::string& data_directory) {
  std::set<std::string> histories;  // in order of their numbers
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data_directory + "/pg_wal", error)) {
    if (absl::EndsWith(entry.path().native(), ".history")) {
      histories.insert(entry.path().string());
    }
  }
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("cannot read \"", data_directory, "/pg_wal\""));
  }
  for (auto last = histories.rbegin(); last != histories.rend() && IsTimelinePlaceholder(*last);
       ++last) {
    if (!fs::remove(*last, error)) {
      return absl::UnavailableError(
          absl::StrCat("cannot remove \"", *last, "\": ", error.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::agent
