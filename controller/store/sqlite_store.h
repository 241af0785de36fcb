// SPDX-License-Identifier: Apache-2.0
// The embedded store: one SQLite file, one owner, an fsync before every OK.
//
// Two connections: one writes, one reads what is committed, so a read never waits for an fsync.
// The file may be copied while in use with SQLite's own backup (".backup" in the sqlite3 shell).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "controller/store/sqlite_connection.h"
#include "controller/store/sqlite_schema.h"
#include "controller/store/store.h"
#include "controller/store/store_lock.h"

namespace pgmahout::controller {

struct SqliteStoreOptions {
  // The newest so many events are kept; older ones go at opening and, now and then, at commits.
  uint64_t max_events = 100'000;
  std::vector<std::string> migrations = StoreMigrations();
};

class SqliteStore final : public Store {
 public:
  // Opens the store at `path`, or creates it (mode 0600) in a directory that exists, and takes the
  // lock "<path>.lock" for as long as the store lives. Every record is read and checked.
  //
  // FailedPrecondition: in use by another controller (named by its pid), a newer schema, or not a
  // store. DataLoss: damaged; nothing is repaired, replaced or folded, the hint says how to
  // restore.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path,
                                                           SqliteStoreOptions options = {});

  absl::Status Commit(const Transaction& transaction) override;

  // One fsync for the whole group.
  std::vector<absl::Status> CommitGroup(absl::Span<const Transaction> transactions) override;

  absl::StatusOr<Record> Get(absl::string_view kind, absl::string_view key) override;
  absl::StatusOr<std::vector<Record>> List(absl::string_view kind) override;
  absl::StatusOr<std::vector<StoredEvent>> ListEvents(absl::string_view cluster,
                                                      uint64_t after_id,
                                                      size_t limit,
                                                      bool history_only) override;

  uint64_t incarnation() const override { return incarnation_; }

  uint64_t opening() const override { return opening_; }

  absl::Status RaiseIncarnation(uint64_t incarnation) override;

 private:
  SqliteStore(StoreLock lock,
              std::unique_ptr<SqliteConnection> writer,
              std::unique_ptr<SqliteConnection> reader,
              uint64_t max_events);

  absl::Status CommitTogether(absl::Span<const Transaction> transactions,
                              std::vector<absl::Status>& verdicts);
  absl::Status TrimSometimes(absl::Span<const Transaction> transactions);

  const StoreLock lock_;  // outlives the connections
  const uint64_t max_events_;
  std::atomic<uint64_t> incarnation_ = 0;
  uint64_t opening_ = 0;

  std::mutex write_mutex_;  // never taken while read_mutex_ is held, nor the other way round
  std::unique_ptr<SqliteConnection> writer_;
  uint64_t events_since_trim_ = 0;

  std::mutex read_mutex_;
  std::unique_ptr<SqliteConnection> reader_;
};

}  // namespace pgmahout::controller
