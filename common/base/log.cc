// SPDX-License-Identifier: Apache-2.0
#include "common/base/log.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/journal.h"

namespace pgmahout {
namespace {

constexpr char kJournalSocket[] = "/run/systemd/journal/socket";

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<uint64_t> g_lost{0};  // lines since one went through

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

// As in syslog(3).
int PriorityOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return 7;
    case LogLevel::kInfo:
      return 6;
    case LogLevel::kWarning:
      return 4;
    case LogLevel::kError:
      return 3;
  }
  return 6;
}

std::string QuoteIfNeeded(const std::string& value) {
  const bool plain = !value.empty() && value.find_first_of(" \t\n\"=") == std::string::npos;
  return plain ? value : absl::StrCat("\"", absl::CEscape(value), "\"");
}

// nullptr if stderr is not the journal.
Journal* TheJournal() {
  static Journal* const journal = [] {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): read once
    const char* stream = std::getenv("JOURNAL_STREAM");
    return stream != nullptr && StderrIsJournal(stream) ? new Journal(kJournalSocket) : nullptr;
  }();
  return journal;
}

class Context {
 public:
  void Set(LogFields fields) {
    const std::lock_guard lock(mutex_);
    fields_ = std::move(fields);
  }

  // What an entry's own fields do not have yet.
  void AddTo(LogFields* fields) const {
    const std::lock_guard lock(mutex_);
    for (const auto& field : fields_) {
      const auto has_key = [&field](const auto& own) { return own.first == field.first; };
      if (std::none_of(fields->begin(), fields->end(), has_key)) {
        fields->push_back(field);
      }
    }
  }

 private:
  mutable std::mutex mutex_;
  LogFields fields_;
};

Context& TheContext() {
  static auto* const context = new Context();
  return *context;
}

// One write per line keeps lines of several threads apart. A log that cannot be written has nowhere
// to be reported.
void WriteToStderr(std::string line) {
  line += '\n';
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

// False if journald cannot be reached at all.
bool SendToJournal(Journal& journal, LogLevel level, const std::string& text, LogFields fields) {
  TheContext().AddTo(&fields);
  const uint64_t lost = g_lost.exchange(0);
  if (lost > 0) {
    fields.emplace_back("lines_lost_before", absl::StrCat(lost));
  }
  switch (journal.Send(FormatJournalEntry(PriorityOf(level), text, fields))) {
    case Journal::Sent::kYes:
      return true;
    case Journal::Sent::kLost:
      g_lost += lost + 1;
      return true;
    case Journal::Sent::kUnreachable:
      break;
  }
  g_lost += lost;
  return false;
}

}  // namespace

void SetLogLevel(LogLevel level) {
  g_level = level;
}

void SetLogContext(LogFields context) {
  TheContext().Set(std::move(context));
}

void Log(LogLevel level, absl::string_view message, const LogFields& fields) {
  if (level < g_level.load()) {
    return;
  }
  std::string text(message);
  for (const auto& [key, value] : fields) {
    absl::StrAppend(&text, " ", key, "=", QuoteIfNeeded(value));
  }
  Journal* const journal = TheJournal();
  if (journal == nullptr) {
    WriteToStderr(absl::StrCat(FormatWallTime(SystemClock().WallMilliseconds()), " ", NameOf(level),
                               " ", text));
  } else if (!SendToJournal(*journal, level, text, fields)) {
    // sd-daemon(3): "<6>" before a line sets its priority.
    WriteToStderr(absl::StrCat("<", PriorityOf(level), ">", text));
  }
}

}  // namespace pgmahout
