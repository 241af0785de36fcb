// SPDX-License-Identifier: Apache-2.0
// SQLite's C interface in the house's terms: owned connections, cached statements, absl::Status.
// Not thread-safe; whoever owns a connection guards it.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pgmahout::controller {

// DataLoss for the store at `path`: `detail` is a sentence, the hint says how to restore.
absl::Status StoreDamaged(const std::string& path, const std::string& detail);

// One execution of a prepared statement; the statement is free again when it is destroyed. Bound
// text must outlive it.
class Query {
 public:
  Query(std::string path, sqlite3_stmt* statement);
  Query(Query&& other) noexcept;
  Query& operator=(Query&&) = delete;
  ~Query();

  // Binds the next parameter.
  Query& Text(absl::string_view value);
  Query& Blob(absl::string_view value);
  Query& Integer(int64_t value);

  // True if there is a row to read, false at the end.
  absl::StatusOr<bool> Step();

  // Runs to the end and drops all rows.
  absl::Status Run();

  // Columns of the current row, counted from 0.
  int64_t IntegerAt(int column) const;
  std::string BytesAt(int column) const;

 private:
  void Bound(int result);

  std::string path_;
  sqlite3_stmt* statement_;
  int parameters_bound_ = 0;
  int bind_result_ = SQLITE_OK;
};

class SqliteConnection {
 public:
  // Opens an existing file for reading and writing; creates it only if `create` says so. Reads
  // nothing yet: damage shows with the first statement.
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& path,
                                                                bool create);

  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  // The statement is kept for the next time. One Query per text at a time.
  absl::StatusOr<Query> Prepare(const std::string& sql);

  // Runs statements that take no parameters and whose rows nobody wants.
  absl::Status Execute(const std::string& sql);

  // The first column of the first row; empty or 0 if there is none.
  absl::StatusOr<std::string> QueryText(const std::string& sql);
  absl::StatusOr<int64_t> QueryInteger(const std::string& sql);

  // Some errors end the transaction on their own; then there is nothing left to roll back.
  bool in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }

  // Rolls back what is open, if anything.
  void RollBack();

  // Whether closing folds the write-ahead log into the file. Off keeps a damaged file as it is.
  void SetCheckpointOnClose(bool checkpoint);

  const std::string& path() const { return path_; }

 private:
  SqliteConnection(std::string path, sqlite3* database);

  std::string path_;
  sqlite3* database_;
  std::map<std::string, sqlite3_stmt*> statements_;
};

}  // namespace pgmahout::controller
