// SPDX-License-Identifier: Apache-2.0
// One log line per event, with fields. On a terminal or in a file: time, level, message,
// key=value. Under journald (stderr is the journal's socket): the same line with a syslog priority
// prefix, so that journalctl -p works.
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
