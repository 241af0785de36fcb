// SPDX-License-Identifier: Apache-2.0
// Log lines for journald, with fields that journalctl can select by (NODE=db1), in the journal's
// native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL). Unlike libsystemd's sd_journal_sendv it
// never waits: a journald that hangs must not hold up a heartbeat or a fence.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/log.h"

namespace pgmahout {

// One entry in the native protocol. Names are made to fit: "data_directory" is DATA_DIRECTORY.
// MESSAGE is `message`; a field whose name the journal itself uses gets the prefix PGMAHOUT_.
std::string FormatJournalEntry(int priority, absl::string_view message, const LogFields& fields);

// Whether this process's stderr is the journal, by $JOURNAL_STREAM's `stream` (systemd.exec(5)):
// the variable alone is inherited by programs whose stderr is something else.
bool StderrIsJournal(absl::string_view stream);

// Thread-safe.
class Journal {
 public:
  // `socket` is journald's; opened now.
  explicit Journal(const std::string& socket);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  enum class Sent {
    kYes,
    kLost,         // journald has no room just now
    kUnreachable,  // nobody is there, or the entry is too long
  };

  Sent Send(absl::string_view entry);

 private:
  std::string socket_;
  int fd_;
};

}  // namespace pgmahout
