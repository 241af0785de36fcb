// SPDX-License-Identifier: Apache-2.0
// The SQL of records and events, on one connection. No locks and no transactions of its own: the
// caller has opened one where it writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "controller/store/sqlite_connection.h"
#include "controller/store/store.h"

namespace pgmahout::controller {

// The kind of the store's own records; transactions from outside may not name it.
constexpr char kStoreKind[] = "_store";

// InvalidArgument for what no store could do; looks at nothing but the transaction.
absl::Status ValidateTransaction(const Transaction& transaction);

// Stops at the first failure, with part of the transaction applied: roll back then.
absl::Status ApplyTransaction(SqliteConnection& connection, const Transaction& transaction);

// NotFound if there is none; DataLoss if its checksum is wrong.
absl::StatusOr<Record> ReadRecord(SqliteConnection& connection,
                                  absl::string_view kind,
                                  absl::string_view key);
absl::StatusOr<std::vector<Record>> ReadRecords(SqliteConnection& connection,
                                                absl::string_view kind);

absl::StatusOr<std::vector<StoredEvent>> ReadEvents(SqliteConnection& connection,
                                                    absl::string_view cluster,
                                                    uint64_t after_id,
                                                    size_t limit,
                                                    bool history_only);

// DataLoss, naming the record, unless the checksums of all records are right.
absl::Status CheckRecords(SqliteConnection& connection);

// Forgets all events but the newest `max_events`.
absl::Status TrimEvents(SqliteConnection& connection, uint64_t max_events);

absl::Status StoreIncarnation(SqliteConnection& connection, uint64_t incarnation);

// Adds one to the stored number of openings and returns the result.
absl::StatusOr<uint64_t> AdvanceIncarnation(SqliteConnection& connection);

}  // namespace pgmahout::controller
