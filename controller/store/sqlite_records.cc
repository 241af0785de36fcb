// SPDX-License-Identifier: Apache-2.0
#include "controller/store/sqlite_records.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::controller {
namespace {

constexpr char kIncarnationKey[] = "incarnation";

// FNV-1a, 64 bits. Against flipped bits, not against an attacker: every step is a bijection, so
// any change of one byte is found.
class Fnv {
 public:
  void Add(absl::string_view bytes) {
    Add(static_cast<uint64_t>(bytes.size()));  // so that "ab","c" is not "a","bc"
    for (const char byte : bytes) {
      Mix(static_cast<unsigned char>(byte));
    }
  }

  void Add(uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
      Mix(static_cast<unsigned char>(number >> shift));
    }
  }

  int64_t sum() const { return static_cast<int64_t>(sum_); }

 private:
  void Mix(unsigned char byte) { sum_ = (sum_ ^ byte) * 0x100000001b3; }

  uint64_t sum_ = 0xcbf29ce484222325;
};

int64_t ChecksumOf(absl::string_view kind,
                   absl::string_view key,
                   uint64_t version,
                   absl::string_view value) {
  Fnv fnv;
  fnv.Add(kind);
  fnv.Add(key);
  fnv.Add(version);
  fnv.Add(value);
  return fnv.sum();
}

std::string NameOf(absl::string_view kind, absl::string_view key) {
  return absl::StrCat(kind, " \"", key, "\"");
}

// Columns: kind, key, version, checksum, value.
absl::StatusOr<Record> RecordAt(const SqliteConnection& connection, const Query& query) {
  Record record{query.BytesAt(0), query.BytesAt(1), query.BytesAt(4),
                static_cast<uint64_t>(query.IntegerAt(2))};
  if (ChecksumOf(record.kind, record.key, record.version, record.value) != query.IntegerAt(3)) {
    return StoreDamaged(
        connection.path(),
        absl::StrCat("The checksum of record ", NameOf(record.kind, record.key), " is wrong."));
  }
  return record;
}

std::string Describe(uint64_t version) {
  return version == 0 ? "no record" : absl::StrCat("version ", version);
}

absl::Status VersionMismatch(const std::string& name, uint64_t expected, uint64_t found) {
  const char* what = found == 0 ? " is gone" : expected == 0 ? " exists already" : " has changed";
  return WithInfo(
      absl::AbortedError(absl::StrCat("cannot commit: ", name, what)),
      ErrorInfo{"version-mismatch",
                absl::StrCat("Expected ", Describe(expected), ", found ", Describe(found), "."),
                "Read it again and repeat the change if it is still wanted."});
}

// The version of a record, 0 if there is none.
absl::StatusOr<uint64_t> VersionOf(SqliteConnection& connection,
                                   absl::string_view kind,
                                   absl::string_view key) {
  PGM_ASSIGN_OR_RETURN(
      Query query, connection.Prepare("SELECT version FROM records WHERE kind = ? AND key = ?"));
  PGM_ASSIGN_OR_RETURN(const bool row, query.Text(kind).Text(key).Step());
  return row ? static_cast<uint64_t>(query.IntegerAt(0)) : 0;
}

absl::StatusOr<uint64_t> CheckVersion(SqliteConnection& connection,
                                      absl::string_view kind,
                                      absl::string_view key,
                                      std::optional<uint64_t> expected) {
  PGM_ASSIGN_OR_RETURN(const uint64_t found, VersionOf(connection, kind, key));
  if (expected.has_value() && *expected != found) {
    return VersionMismatch(NameOf(kind, key), *expected, found);
  }
  return found;
}

absl::Status ApplyPut(SqliteConnection& connection, const Put& put) {
  PGM_ASSIGN_OR_RETURN(const uint64_t found,
                       CheckVersion(connection, put.kind, put.key, put.expected_version));
  const uint64_t version = found + 1;
  PGM_ASSIGN_OR_RETURN(
      Query query,
      connection.Prepare("INSERT OR REPLACE INTO records (kind, key, version, checksum, value) "
                         "VALUES (?, ?, ?, ?, ?)"));
  return query.Text(put.kind)
      .Text(put.key)
      .Integer(static_cast<int64_t>(version))
      .Integer(ChecksumOf(put.kind, put.key, version, put.value))
      .Blob(put.value)
      .Run();
}

absl::Status ApplyErase(SqliteConnection& connection, const Erase& erase) {
  PGM_RETURN_IF_ERROR(
      CheckVersion(connection, erase.kind, erase.key, erase.expected_version).status());
  PGM_ASSIGN_OR_RETURN(Query query,
                       connection.Prepare("DELETE FROM records WHERE kind = ? AND key = ?"));
  return query.Text(erase.kind).Text(erase.key).Run();
}

absl::Status ApplyEvent(SqliteConnection& connection, const StoredEvent& event) {
  PGM_ASSIGN_OR_RETURN(
      Query query,
      connection.Prepare("INSERT INTO events (wall_ms, boot_ms, cluster, node, epoch, rule, "
                         "message, history) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  return query.Integer(event.wall_ms)
      .Integer(event.boot_ms)
      .Text(event.cluster)
      .Text(event.node)
      .Integer(static_cast<int64_t>(event.epoch))
      .Text(event.rule)
      .Text(event.message)
      .Integer(event.history ? 1 : 0)
      .Run();
}

// Columns in the order of StoredEvent.
StoredEvent EventAt(const Query& query) {
  StoredEvent event;
  event.id = static_cast<uint64_t>(query.IntegerAt(0));
  event.wall_ms = query.IntegerAt(1);
  event.boot_ms = query.IntegerAt(2);
  event.cluster = query.BytesAt(3);
  event.node = query.BytesAt(4);
  event.epoch = static_cast<uint64_t>(query.IntegerAt(5));
  event.rule = query.BytesAt(6);
  event.message = query.BytesAt(7);
  event.history = query.IntegerAt(8) != 0;
  return event;
}

// SQLite's integers are signed; no id or limit that matters lies above.
int64_t Clamped(uint64_t number) {
  return static_cast<int64_t>(std::min<uint64_t>(number, std::numeric_limits<int64_t>::max()));
}

using RecordNames = std::set<std::pair<absl::string_view, absl::string_view>>;

absl::Status ValidateName(const std::string& kind, const std::string& key, RecordNames& seen) {
  if (kind.empty() || key.empty()) {
    return absl::InvalidArgumentError("cannot commit: a record needs a kind and a key");
  }
  if (kind == kStoreKind) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot commit: kind \"", kind, "\" belongs to the store itself"));
  }
  if (!seen.emplace(kind, key).second) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot commit: ", NameOf(kind, key), " is named twice in one transaction"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateTransaction(const Transaction& transaction) {
  RecordNames seen;
  for (const Put& put : transaction.puts) {
    PGM_RETURN_IF_ERROR(ValidateName(put.kind, put.key, seen));
  }
  for (const Erase& erase : transaction.erases) {
    PGM_RETURN_IF_ERROR(ValidateName(erase.kind, erase.key, seen));
  }
  return absl::OkStatus();
}

absl::Status ApplyTransaction(SqliteConnection& connection, const Transaction& transaction) {
  for (const Put& put : transaction.puts) {
    PGM_RETURN_IF_ERROR(ApplyPut(connection, put));
  }
  for (const Erase& erase : transaction.erases) {
    PGM_RETURN_IF_ERROR(ApplyErase(connection, erase));
  }
  for (const StoredEvent& event : transaction.events) {
    PGM_RETURN_IF_ERROR(ApplyEvent(connection, event));
  }
  return absl::OkStatus();
}

absl::StatusOr<Record> ReadRecord(SqliteConnection& connection,
                                  absl::string_view kind,
                                  absl::string_view key) {
  PGM_ASSIGN_OR_RETURN(Query query,
                       connection.Prepare("SELECT kind, key, version, checksum, value FROM records "
                                          "WHERE kind = ? AND key = ?"));
  PGM_ASSIGN_OR_RETURN(const bool row, query.Text(kind).Text(key).Step());
  if (!row) {
    return absl::NotFoundError(absl::StrCat(NameOf(kind, key), " is not in the store"));
  }
  return RecordAt(connection, query);
}

absl::StatusOr<std::vector<Record>> ReadRecords(SqliteConnection& connection,
                                                absl::string_view kind) {
  PGM_ASSIGN_OR_RETURN(Query query,
                       connection.Prepare("SELECT kind, key, version, checksum, value FROM records "
                                          "WHERE kind = ? ORDER BY key"));
  query.Text(kind);
  std::vector<Record> records;
  while (true) {
    PGM_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) {
      return records;
    }
    PGM_ASSIGN_OR_RETURN(Record record, RecordAt(connection, query));
    records.push_back(std::move(record));
  }
}

absl::StatusOr<std::vector<StoredEvent>> ReadEvents(SqliteConnection& connection,
                                                    absl::string_view cluster,
                                                    uint64_t after_id,
                                                    size_t limit,
                                                    bool history_only) {
  // "history = 1" word for word, so that SQLite uses the partial index.
  PGM_ASSIGN_OR_RETURN(
      Query query,
      connection.Prepare(absl::StrCat(
          "SELECT id, wall_ms, boot_ms, cluster, node, epoch, rule, message, history FROM events "
          "WHERE id > ?",
          history_only ? " AND history = 1" : "", cluster.empty() ? "" : " AND cluster = ?2",
          " ORDER BY id LIMIT ?")));
  query.Integer(Clamped(after_id));
  if (!cluster.empty()) {
    query.Text(cluster);
  }
  query.Integer(Clamped(limit));
  std::vector<StoredEvent> events;
  while (true) {
    PGM_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) {
      return events;
    }
    events.push_back(EventAt(query));
  }
}

absl::Status CheckRecords(SqliteConnection& connection) {
  PGM_ASSIGN_OR_RETURN(
      Query query, connection.Prepare("SELECT kind, key, version, checksum, value FROM records"));
  while (true) {
    PGM_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) {
      return absl::OkStatus();
    }
    PGM_RETURN_IF_ERROR(RecordAt(connection, query).status());
  }
}

absl::Status TrimEvents(SqliteConnection& connection, uint64_t max_events) {
  // Ids have no gaps (a rolled back insert uses none), so the distance to the newest is the count.
  PGM_ASSIGN_OR_RETURN(
      Query query,
      connection.Prepare("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?"));
  // The newest stays in any case: it is what keeps ids from repeating.
  return query.Integer(Clamped(std::max<uint64_t>(max_events, 1))).Run();
}

absl::Status StoreIncarnation(SqliteConnection& connection, uint64_t incarnation) {
  return ApplyPut(connection,
                  Put{kStoreKind, kIncarnationKey, absl::StrCat(incarnation), std::nullopt});
}

absl::StatusOr<uint64_t> AdvanceIncarnation(SqliteConnection& connection) {
  uint64_t last = 0;
  const absl::StatusOr<Record> record = ReadRecord(connection, kStoreKind, kIncarnationKey);
  if (!record.ok() && !absl::IsNotFound(record.status())) {
    return record.status();
  }
  if (record.ok() && !absl::SimpleAtoi(record->value, &last)) {
    return StoreDamaged(connection.path(), "The record of the last incarnation has no number.");
  }
  const uint64_t next = last + 1;
  PGM_RETURN_IF_ERROR(StoreIncarnation(connection, next));
  return next;
}

}  // namespace pgmahout::controller
