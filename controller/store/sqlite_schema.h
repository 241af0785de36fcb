// SPDX-License-Identifier: Apache-2.0
// The tables of the store and how an older file becomes a newer one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "controller/store/sqlite_connection.h"

namespace pgmahout::controller {

// "pgmh": tells a store from any other SQLite file (PRAGMA application_id, file(1)).
constexpr int64_t kApplicationId = 0x70676d68;

// SQL scripts; number N (counted from 1) leads from schema version N-1 to N. What has been released
// is never edited: a change is one more script.
const std::vector<std::string>& StoreMigrations();

// FailedPrecondition if the file's schema version is above the newest one in `migrations`, which
// means that a newer controller has written it.
absl::Status CheckSchemaVersion(SqliteConnection& connection,
                                const std::vector<std::string>& migrations);

// Applies the scripts that are missing, each with its version number in one transaction, so a crash
// or an error leaves a whole older version.
absl::Status Migrate(SqliteConnection& connection, const std::vector<std::string>& migrations);

}  // namespace pgmahout::controller
