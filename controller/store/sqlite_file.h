// SPDX-License-Identifier: Apache-2.0
// The store's file: created once, checked at each opening, never replaced by an empty one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/store/sqlite_connection.h"

namespace pgmahout::controller {

// The connection that writes: checked, durable at each COMMIT (WAL, synchronous=FULL), schema
// brought up to `migrations`. A file that is not there is created with mode 0600; one that others
// may read is closed to them. The caller owns the store's lock.
//
// Errors: DataLoss (damaged, or missing while its write-ahead log is still there; all files are
// left as they are), FailedPrecondition (another program's file, or a newer schema).
absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenStoreFile(
    const std::string& path, const std::vector<std::string>& migrations);

// A second connection that only reads, so that readers do not wait for the writer's fsync.
absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenStoreReader(const std::string& path);

}  // namespace pgmahout::controller
