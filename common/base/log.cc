// SPDX-License-Identifier: Apache-2.0
#include "common/base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/clock.h"

namespace pgmahout {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};

absl::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "DEBUG";
    case LogLevel::kInfo:
      return "INFO";
    case LogLevel::kWarning:
      return "WARNING";
    case LogLevel::kError:
      return "ERROR";
  }
  return "?";
}

// sd-daemon(3): "<6>" before a line sets its journal priority.
absl::string_view JournalPrefix(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "<7>";
    case LogLevel::kInfo:
      return "<6>";
    case LogLevel::kWarning:
      return "<4>";
    case LogLevel::kError:
      return "<3>";
  }
  return "";
}

std::string QuoteIfNeeded(const std::string& value) {
  const bool plain = !value.empty() && value.find_first_of(" \t\n\"=") == std::string::npos;
  return plain ? value : absl::StrCat("\"", absl::CEscape(value), "\"");
}

bool StderrIsTheJournal() {
  // systemd sets it when stderr goes to the journal: systemd.exec(5), $JOURNAL_STREAM.
  static const bool is_journal =
      std::getenv("JOURNAL_STREAM") != nullptr;  // NOLINT(concurrency-mt-unsafe): read once
  return is_journal;
}

}  // namespace

void SetLogLevel(LogLevel level) {
  g_level = level;
}

void Log(LogLevel level, absl::string_view message, const LogFields& fields) {
  if (level < g_level.load()) {
    return;
  }
  std::string line;
  if (StderrIsTheJournal()) {
    absl::StrAppend(&line, JournalPrefix(level));
  } else {
    absl::StrAppend(&line, FormatWallTime(SystemClock().WallMilliseconds()), " ", NameOf(level),
                    " ");
  }
  absl::StrAppend(&line, message);
  for (const auto& [key, value] : fields) {
    absl::StrAppend(&line, " ", key, "=", QuoteIfNeeded(value));
  }
  line += '\n';
  // One write per line keeps lines of several threads apart. A log that cannot be written has
  // nowhere to be reported.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace pgmahout
