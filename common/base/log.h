// SPDX-License-Identifier: Apache-2.0
// One log line per event, with fields. On a terminal or in a file: time, level, message,
// key=value. Under systemd (stderr is the journal): an entry with a priority and with each field as
// a field of the journal, so that `journalctl NODE=db1 EPOCH=4` works.
//
// Thread-safe. Never pass a secret.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace pgmahout {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogFields = std::vector<std::pair<std::string, std::string>>;

// Lines below `level` are dropped. Default kInfo.
void SetLogLevel(LogLevel level);

// Fields that every entry in the journal has from now on, beside its own: node, cluster, epoch.
// They are not repeated in the text.
void SetLogContext(LogFields context);

void Log(LogLevel level, absl::string_view message, const LogFields& fields = {});

inline void LogDebug(absl::string_view message, const LogFields& fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}

inline void LogInfo(absl::string_view message, const LogFields& fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}

inline void LogWarning(absl::string_view message, const LogFields& fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}

inline void LogError(absl::string_view message, const LogFields& fields = {}) {
  Log(LogLevel::kError, message, fields);
}

}  // namespace pgmahout
