// SPDX-License-Identifier: Apache-2.0
// The controller's memory: versioned records and events, changed by compare-and-set transactions.
//
// A record is opaque bytes under a kind and a key ("cluster", "default/orders"); nodes, tokens,
// specs and secrets are all kinds. An event is a line of history for people. Values never appear
// in errors, so a secret may be a value, but never a kind or a key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pgmahout::controller {

// Version 1 is the first put, and each put adds one, so a writer knows the new version without
// reading. A record erased and created again starts at 1 again: what must tell the two apart (a
// uid) belongs into the value.
struct Record {
  std::string kind;
  std::string key;
  std::string value;  // bytes
  uint64_t version = 0;
};

// Creates or replaces a record.
struct Put {
  std::string kind;
  std::string key;
  std::string value;                         // bytes
  std::optional<uint64_t> expected_version;  // 0: must not exist; nullopt: any
};

// Removes a record; with no expected version, one that is not there is fine.
struct Erase {
  std::string kind;
  std::string key;
  std::optional<uint64_t> expected_version;  // 0: must not exist; nullopt: any
};

struct StoredEvent {
  uint64_t id = 0;      // assigned by the store, in the order of commits
  int64_t wall_ms = 0;  // since the Unix epoch, for people
  int64_t boot_ms = 0;  // the controller's boot clock
  std::string cluster;
  std::string node;
  uint64_t epoch = 0;
  std::string rule;
  std::string message;
  bool history = false;  // part of the cluster's history: a change of primary, not mere progress
};

// Happens whole or not at all. No record may be named twice.
struct Transaction {
  std::vector<Put> puts;
  std::vector<Erase> erases;
  std::vector<StoredEvent> events;  // ids are ignored
};

// Implementations are thread-safe: each call sees every commit that returned before it began.
//
// Errors of every call: DataLoss (what is stored is damaged; do not go on), Unavailable (the disk
// or the other side fails).
class Store {
 public:
  virtual ~Store() = default;

  // Durable when it returns OK; may block for as long as the disk does. Otherwise nothing of it is
  // visible: Aborted (a version is not the expected one; the detail says which, read it again),
  // InvalidArgument (a record named twice or without kind or key), ResourceExhausted (disk full;
  // works again when there is room). After Unavailable the outcome is unknown once the store is
  // opened again.
  virtual absl::Status Commit(const Transaction& transaction) = 0;

  // Each transaction on its own, in this order, one status each; an implementation may make them
  // durable together. The answer has the length of `transactions`.
  virtual std::vector<absl::Status> CommitGroup(absl::Span<const Transaction> transactions) {
    std::vector<absl::Status> statuses;
    statuses.reserve(transactions.size());
    for (const Transaction& transaction : transactions) {
      statuses.push_back(Commit(transaction));
    }
    return statuses;
  }

  // NotFound if there is none.
  virtual absl::StatusOr<Record> Get(absl::string_view kind, absl::string_view key) = 0;

  // All records of a kind, ordered by the bytes of their keys.
  virtual absl::StatusOr<std::vector<Record>> List(absl::string_view kind) = 0;

  // At most `limit` events with an id above `after_id`, oldest first; of one cluster, or of all if
  // `cluster` is empty. To page, pass the last id that was returned. Old events are forgotten, so
  // ids may begin anywhere, but they never repeat.
  virtual absl::StatusOr<std::vector<StoredEvent>> ListEvents(absl::string_view cluster,
                                                              uint64_t after_id,
                                                              size_t limit,
                                                              bool history_only) = 0;

  // Grows by one each time the store is opened, durably, beginning with 1. A store restored from a
  // copy repeats numbers.
  virtual uint64_t incarnation() const = 0;

  // Drawn anew each time the store is opened; never 0. Tells those who opened two copies apart.
  virtual uint64_t opening() const = 0;

  // Makes incarnation() at least `incarnation`, durably; where that fails, until the store is
  // closed. Waits for the disk.
  virtual absl::Status RaiseIncarnation(uint64_t incarnation) = 0;
};

}  // namespace pgmahout::controller
