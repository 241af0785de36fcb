// SPDX-License-Identifier: Apache-2.0
#include "controller/store/sqlite_store.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "controller/store/sqlite_file.h"
#include "controller/store/sqlite_records.h"

namespace pgmahout::controller {
namespace {

// How many new events may pass before a commit also trims.
constexpr uint64_t kTrimEvery = 1'000;

// One name per file, so that a symbolic link or a relative path does not lead past the lock.
absl::StatusOr<std::string> CanonicalPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path canonical =
      std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("cannot find store \"", path, "\""));
  }
  return canonical.string();
}

uint64_t DrawOpening() {
  const uint64_t drawn = RandomSeed();
  return drawn == 0 ? 1 : drawn;
}

absl::StatusOr<uint64_t> BeginIncarnation(SqliteConnection& connection, uint64_t max_events) {
  PGM_RETURN_IF_ERROR(connection.Execute("BEGIN IMMEDIATE"));
  PGM_RETURN_IF_ERROR(TrimEvents(connection, max_events));
  PGM_ASSIGN_OR_RETURN(const uint64_t incarnation, AdvanceIncarnation(connection));
  PGM_RETURN_IF_ERROR(connection.Execute("COMMIT"));
  return incarnation;
}

absl::Status RunPrepared(SqliteConnection& connection, const char* sql) {
  PGM_ASSIGN_OR_RETURN(Query query, connection.Prepare(sql));
  return query.Run();
}

// A verdict on one transaction of a group, as opposed to an error of the whole store.
bool IsVerdict(const absl::Status& status) {
  return absl::IsAborted(status) || absl::IsInvalidArgument(status);
}

// Applies one transaction of the group that is open. The outer status fails if the group is lost.
absl::Status ApplyOne(SqliteConnection& connection,
                      const Transaction& transaction,
                      absl::Status& verdict) {
  verdict = ValidateTransaction(transaction);
  if (!verdict.ok()) {
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(RunPrepared(connection, "SAVEPOINT one"));
  verdict = ApplyTransaction(connection, transaction);
  if (!verdict.ok()) {
    if (!IsVerdict(verdict) || !connection.in_transaction()) {
      return verdict;
    }
    PGM_RETURN_IF_ERROR(RunPrepared(connection, "ROLLBACK TO one"));
  }
  return RunPrepared(connection, "RELEASE one");
}

}  // namespace

SqliteStore::SqliteStore(StoreLock lock,
                         std::unique_ptr<SqliteConnection> writer,
                         std::unique_ptr<SqliteConnection> reader,
                         uint64_t max_events)
    : lock_(std::move(lock)),
      max_events_(max_events),
      writer_(std::move(writer)),
      reader_(std::move(reader)) {}

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               SqliteStoreOptions options) {
  PGM_ASSIGN_OR_RETURN(const std::string file, CanonicalPath(path));
  PGM_ASSIGN_OR_RETURN(StoreLock lock, StoreLock::Take(file + ".lock"));
  PGM_ASSIGN_OR_RETURN(auto writer, OpenStoreFile(file, options.migrations));
  PGM_RETURN_IF_ERROR(CheckRecords(*writer));
  PGM_ASSIGN_OR_RETURN(const uint64_t incarnation, BeginIncarnation(*writer, options.max_events));
  writer->SetCheckpointOnClose(true);
  PGM_ASSIGN_OR_RETURN(auto reader, OpenStoreReader(file));
  std::unique_ptr<SqliteStore> store(
      new SqliteStore(std::move(lock), std::move(writer), std::move(reader), options.max_events));
  store->incarnation_ = incarnation;
  store->opening_ = DrawOpening();
  return store;
}

absl::Status SqliteStore::RaiseIncarnation(uint64_t incarnation) {
  const std::lock_guard lock(write_mutex_);
  if (incarnation <= incarnation_) {
    return absl::OkStatus();
  }
  incarnation_ = incarnation;
  return StoreIncarnation(*writer_, incarnation);
}

absl::Status SqliteStore::Commit(const Transaction& transaction) {
  return CommitGroup(absl::MakeConstSpan(&transaction, 1)).front();
}

std::vector<absl::Status> SqliteStore::CommitGroup(absl::Span<const Transaction> transactions) {
  const std::lock_guard lock(write_mutex_);
  std::vector<absl::Status> verdicts(transactions.size());
  const absl::Status together = CommitTogether(transactions, verdicts);
  if (together.ok()) {
    return verdicts;
  }
  if (transactions.size() == 1) {
    return {together};
  }
  // Each on its own: one that is too large for the disk fails alone, and no verdict rests on a
  // neighbour that was never stored.
  verdicts.clear();
  for (const Transaction& transaction : transactions) {
    std::vector<absl::Status> verdict(1);
    const absl::Status alone = CommitTogether(absl::MakeConstSpan(&transaction, 1), verdict);
    verdicts.push_back(alone.ok() ? verdict.front() : alone);
  }
  return verdicts;
}

// Fails if nothing of the group was stored; otherwise `verdicts` tells for each transaction.
absl::Status SqliteStore::CommitTogether(absl::Span<const Transaction> transactions,
                                         std::vector<absl::Status>& verdicts) {
  const auto attempt = [&]() -> absl::Status {
    PGM_RETURN_IF_ERROR(RunPrepared(*writer_, "BEGIN IMMEDIATE"));
    for (size_t i = 0; i < transactions.size(); ++i) {
      PGM_RETURN_IF_ERROR(ApplyOne(*writer_, transactions[i], verdicts[i]));
    }
    PGM_RETURN_IF_ERROR(TrimSometimes(transactions));
    return RunPrepared(*writer_, "COMMIT");
  };
  absl::Status status = attempt();
  if (!status.ok()) {
    writer_->RollBack();
  }
  return status;
}

absl::Status SqliteStore::TrimSometimes(absl::Span<const Transaction> transactions) {
  for (const Transaction& transaction : transactions) {
    events_since_trim_ += transaction.events.size();
  }
  if (events_since_trim_ < kTrimEvery) {
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(TrimEvents(*writer_, max_events_));
  events_since_trim_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<Record> SqliteStore::Get(absl::string_view kind, absl::string_view key) {
  const std::lock_guard lock(read_mutex_);
  return ReadRecord(*reader_, kind, key);
}

absl::StatusOr<std::vector<Record>> SqliteStore::List(absl::string_view kind) {
  const std::lock_guard lock(read_mutex_);
  return ReadRecords(*reader_, kind);
}

absl::StatusOr<std::vector<StoredEvent>> SqliteStore::ListEvents(absl::string_view cluster,
                                                                 uint64_t after_id,
                                                                 size_t limit,
                                                                 bool history_only) {
  const std::lock_guard lock(read_mutex_);
  return ReadEvents(*reader_, cluster, after_id, limit, history_only);
}

}  // namespace pgmahout::controller
