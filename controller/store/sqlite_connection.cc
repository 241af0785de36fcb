// SPDX-License-Identifier: Apache-2.0
#include "controller/store/sqlite_connection.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::controller {
namespace {

// An outside reader with the sqlite3 shell may hold a lock for a moment.
constexpr int kBusyTimeoutMs = 5'000;

bool IsOutOfSpace(int error_number) {
  return error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
}

// The errno of the last failed call on the file or on its write-ahead log. SQLite itself calls only
// ENOSPC a full disk, and sqlite3_system_errno may be overwritten by its cleaning up.
int LastErrno(sqlite3* database) {
  int error_number = 0;
  sqlite3_file* log = nullptr;
  sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (log != nullptr && log->pMethods != nullptr) {
    log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error_number);
  }
  if (error_number == 0) {
    sqlite3_file_control(database, "main", SQLITE_FCNTL_LAST_ERRNO, &error_number);
  }
  return error_number != 0 ? error_number : sqlite3_system_errno(database);
}

absl::Status FullDisk(const std::string& what) {
  return WithInfo(
      absl::ResourceExhaustedError(absl::StrCat(what, ": no space left")),
      ErrorInfo{"store-full", "",
                "Make room on the store's file system; the store works again by itself."});
}

// `code` is SQLite's extended one, which tells the call that failed (read, write, fsync ...).
absl::Status BrokenDisk(const std::string& what, int code, int error_number) {
  if (IsOutOfSpace(error_number)) {
    return FullDisk(what);
  }
  return WithInfo(absl::UnavailableError(absl::StrCat(what, ": disk I/O error")),
                  ErrorInfo{"store-io",
                            absl::StrCat("SQLite's code is ", code, ", the system's error is \"",
                                         std::generic_category().message(error_number), "\"."),
                            "Look into the kernel's log and check the disk."});
}

absl::Status CannotOpen(const std::string& what, int error_number, const std::string& message) {
  if (error_number == 0) {
    return absl::UnavailableError(absl::StrCat(what, ": ", message));
  }
  return WithHint(ErrnoStatus(error_number, what),
                  "The store's directory and files must belong to the controller's user.");
}

// Must run before the next call on `database`, which forgets the error.
absl::Status ErrorOf(sqlite3* database, const std::string& path) {
  const int code = sqlite3_extended_errcode(database);
  const int error_number = sqlite3_system_errno(database);
  const std::string message = sqlite3_errmsg(database);
  const std::string what = absl::StrCat("cannot use store \"", path, "\"");
  switch (code & 0xff) {
    case SQLITE_FULL:
      return FullDisk(what);
    case SQLITE_IOERR:
      return BrokenDisk(what, code, LastErrno(database));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return StoreDamaged(path, absl::StrCat("SQLite says: ", message, "."));
    case SQLITE_CANTOPEN:
      return CannotOpen(what, error_number, message);
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return absl::PermissionDeniedError(absl::StrCat(what, ": ", message));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return WithHint(absl::UnavailableError(absl::StrCat(what, ": ", message)),
                      "Another program holds a lock on the file; end it.");
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(absl::StrCat(what, ": ", message));
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(absl::StrCat(what, ": ", message));
    default:
      return absl::InternalError(absl::StrCat(what, ": ", message));
  }
}

// SQLite takes a null pointer for NULL, also when the length is 0.
const char* DataOf(absl::string_view value) {
  return value.empty() ? "" : value.data();
}

}  // namespace

absl::Status StoreDamaged(const std::string& path, const std::string& detail) {
  return WithInfo(
      absl::DataLossError(absl::StrCat("store \"", path, "\" is damaged")),
      ErrorInfo{"store-damaged", detail,
                "Stop the controller, move the file and its -wal and -shm files aside together, "
                "and put a copy of the store in place."});
}

Query::Query(std::string path, sqlite3_stmt* statement)
    : path_(std::move(path)), statement_(statement) {}

Query::Query(Query&& other) noexcept
    : path_(std::move(other.path_)),
      statement_(std::exchange(other.statement_, nullptr)),
      parameters_bound_(other.parameters_bound_),
      bind_result_(other.bind_result_) {}

Query::~Query() {
  if (statement_ != nullptr) {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
}

void Query::Bound(int result) {
  if (bind_result_ == SQLITE_OK) {
    bind_result_ = result;
  }
}

Query& Query::Text(absl::string_view value) {
  Bound(sqlite3_bind_text64(statement_, ++parameters_bound_, DataOf(value), value.size(),
                            SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Query& Query::Blob(absl::string_view value) {
  Bound(sqlite3_bind_blob64(statement_, ++parameters_bound_, DataOf(value), value.size(),
                            SQLITE_STATIC));
  return *this;
}

Query& Query::Integer(int64_t value) {
  Bound(sqlite3_bind_int64(statement_, ++parameters_bound_, value));
  return *this;
}

absl::StatusOr<bool> Query::Step() {
  if (bind_result_ != SQLITE_OK) {
    return ErrorOf(sqlite3_db_handle(statement_), path_);
  }
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return ErrorOf(sqlite3_db_handle(statement_), path_);
  }
}

absl::Status Query::Run() {
  while (true) {
    PGM_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) {
      return absl::OkStatus();
    }
  }
}

int64_t Query::IntegerAt(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Query::BytesAt(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string()
                          : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

SqliteConnection::SqliteConnection(std::string path, sqlite3* database)
    : path_(std::move(path)), database_(database) {}

SqliteConnection::~SqliteConnection() {
  for (const auto& [sql, statement] : statements_) {
    sqlite3_finalize(statement);
  }
  sqlite3_close(database_);
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path,
                                                                         bool create) {
  // No mutex inside SQLite: the owner has one already.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
  sqlite3* database = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  if (database == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot open store \"", path, "\""));
  }
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(path, database));
  if (result != SQLITE_OK) {
    return ErrorOf(database, path);
  }
  sqlite3_extended_result_codes(database, 1);
  sqlite3_busy_timeout(database, kBusyTimeoutMs);
  // A damaged or planted schema cannot call functions or be written to.
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return connection;
}

absl::StatusOr<Query> SqliteConnection::Prepare(const std::string& sql) {
  const auto cached = statements_.find(sql);
  if (cached != statements_.end()) {
    return Query(path_, cached->second);
  }
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement,
                         nullptr) != SQLITE_OK) {
    return ErrorOf(database_, path_);
  }
  statements_.emplace(sql, statement);
  return Query(path_, statement);
}

absl::Status SqliteConnection::Execute(const std::string& sql) {
  if (sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return ErrorOf(database_, path_);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> SqliteConnection::QueryText(const std::string& sql) {
  PGM_ASSIGN_OR_RETURN(Query query, Prepare(sql));
  PGM_ASSIGN_OR_RETURN(const bool row, query.Step());
  return row ? query.BytesAt(0) : std::string();
}

absl::StatusOr<int64_t> SqliteConnection::QueryInteger(const std::string& sql) {
  PGM_ASSIGN_OR_RETURN(Query query, Prepare(sql));
  PGM_ASSIGN_OR_RETURN(const bool row, query.Step());
  return row ? query.IntegerAt(0) : 0;
}

void SqliteConnection::RollBack() {
  if (in_transaction()) {
    sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

void SqliteConnection::SetCheckpointOnClose(bool checkpoint) {
  sqlite3_db_config(database_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, checkpoint ? 0 : 1, nullptr);
}

}  // namespace pgmahout::controller
