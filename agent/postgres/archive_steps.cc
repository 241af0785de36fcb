// SPDX-License-Identifier: Apache-2.0
// Backfill: a standby marks WAL it received as archived, trusting its primary. If that primary died
// first, the archive would have a gap; so a new primary pushes what it has once more. What is there
// already is only compared.
#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/postgres/diverged_wal.h"
#include "agent/postgres/observer.h"
#include "agent/postgres/sql_facts.h"
#include "agent/postgres/step_run.h"
#include "agent/postgres/timelines.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

constexpr Duration kPushTimeout{60'000};
constexpr Duration kSqlTimeout{5'000};

bool IsHistory(const std::string& name) {
  return absl::EndsWith(name, ".history");
}

// Whole segments of this server's own history, and the history files.
bool BelongsToThePast(const std::string& name,
                      uint64_t bytes,
                      uint32_t timeline,
                      const std::map<uint32_t, Lsn>& ends) {
  uint32_t its_timeline = 0;
  if (name.size() < 8 || !absl::SimpleHexAtoi(name.substr(0, 8), &its_timeline)) {
    return false;
  }
  const auto end = ends.find(its_timeline);
  if (IsHistory(name)) {
    return its_timeline == timeline || end != ends.end();
  }
  uint32_t log = 0;
  uint32_t segment = 0;
  if (end == ends.end() || name.size() != 24 || !absl::SimpleHexAtoi(name.substr(8, 8), &log) ||
      !absl::SimpleHexAtoi(name.substr(16, 8), &segment)) {
    return false;
  }
  return (uint64_t{log} << 32) + (uint64_t{segment} + 1) * bytes <= end->second.value;
}

}  // namespace

absl::Status BackfillArchive(const StepRun& run) {
  const std::string directory = run.DataDirectory();
  const BootTime deadline = SystemClock().Now() + kSqlTimeout;
  PGM_ASSIGN_OR_RETURN(Session session, run.Connect("postgres", deadline));
  PGM_ASSIGN_OR_RETURN(const SqlFacts facts, AskFacts(session, directory, deadline));
  const std::map<uint32_t, Lsn> ends = EndsOfTimelines(directory, facts.timeline);
  std::vector<std::string> paths;
  std::vector<std::string> placeholders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory + "/pg_wal", error)) {
    const std::string path = entry.path().string();
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file(error)) {
      continue;
    }
    if (IsHistory(name) && IsTimelinePlaceholder(path)) {
      placeholders.push_back(path);
    } else if (BelongsToThePast(name, entry.file_size(error), facts.timeline, ends)) {
      paths.push_back(path);
    }
  }
  std::sort(paths.begin(), paths.end());
  // Who recovers from the archive takes the last number that it comes to for its future, so the
  // history of this timeline has to be there first.
  std::sort(placeholders.begin(), placeholders.end());
  paths.insert(paths.end(), placeholders.begin(), placeholders.end());
  for (const std::string& path : paths) {
    run.progress(absl::StrCat("archive ", fs::path(path).filename().string()));
    PGM_RETURN_IF_ERROR(
        RunCommandOrFail(run.NewCommand({run.layout.config().wal_program, "archive-push",
                                         "--directory", run.desired.spec.archive_directory, path},
                                        kPushTimeout))
            .status());
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::agent
