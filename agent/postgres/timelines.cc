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

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

// PostgreSQL skips lines that begin with "#"; without others a timeline has no ancestors.
constexpr absl::string_view kPlaceholder =
    "# pgmahout: nobody's timeline, or one of a candidate that was lost. Keep this file: standbys\n"
    "# ask for the history of every number up to their own.\n";

// So many changes of primary without a promotion in a row there are not. Who claims more talks
// nonsense, and nobody waits for that many files.
constexpr uint32_t kMostPlaceholders = 1'000;

std::string HistoryPath(const std::string& directory, uint32_t timeline) {
  return absl::StrFormat("%s/%08X.history", directory, timeline);
}

absl::Status CopyHistories(const StepRun& run, const std::string& wal, uint32_t timeline) {
  for (uint32_t next = timeline + 1;; ++next) {
    const absl::StatusOr<std::string> text =
        ReadFile(HistoryPath(run.desired.spec.archive_directory, next));
    if (absl::IsNotFound(text.status())) {
      return absl::OkStatus();
    }
    PGM_RETURN_IF_ERROR(text.status());
    PGM_RETURN_IF_ERROR(WriteFileAtomically(HistoryPath(wal, next), *text, 0600));
  }
}

bool IsPlaceholder(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() && *text == kPlaceholder;
}

}  // namespace

absl::Status TakeTimelineNumbers(const StepRun& run, uint32_t timeline) {
  const std::string wal = run.DataDirectory() + "/pg_wal";
  if (!run.desired.spec.archive_directory.empty()) {
    return CopyHistories(run, wal, timeline);  // a gap there would end a recovery from the archive
  }
  const uint32_t lowest = run.step.new_timeline;
  if (lowest > timeline && lowest - timeline > kMostPlaceholders) {
    LogWarning("a timeline is begun without keeping the lower numbers free: they are too many",
               {{"from", absl::StrCat(timeline)}, {"lowest", absl::StrCat(lowest)}});
    return absl::OkStatus();
  }
  std::error_code error;
  for (uint32_t next = timeline + 1; next < lowest; ++next) {
    if (const std::string path = HistoryPath(wal, next); !fs::exists(path, error)) {
      PGM_RETURN_IF_ERROR(WriteFileAtomically(path, kPlaceholder, 0600));
    }
  }
  return absl::OkStatus();
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
  for (auto last = histories.rbegin(); last != histories.rend() && IsPlaceholder(*last); ++last) {
    if (!fs::remove(*last, error)) {
      return absl::UnavailableError(
          absl::StrCat("cannot remove \"", *last, "\": ", error.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::agent
