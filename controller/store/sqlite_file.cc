// SPDX-License-Identifier: Apache-2.0
#include "controller/store/sqlite_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "controller/store/sqlite_schema.h"

namespace pgmahout::controller {
namespace {

constexpr off_t kSmallestPage = 512;

absl::Status Failed(absl::string_view verb, const std::string& path) {
  return ErrnoStatus(errno, absl::StrCat("cannot ", verb, " \"", path, "\""));
}

bool Exists(const std::string& path) {
  struct stat info {};

  return lstat(path.c_str(), &info) == 0;
}

// An empty database that says whose it is, under a temporary name and then renamed. So a crash
// leaves no file or a whole one, and an empty file at `path` is always damage.
absl::Status CreateStoreFile(const std::string& path) {
  const std::string fresh = path + ".new";
  unlink((fresh + "-journal").c_str());
  unlink(fresh.c_str());
  const int fd = open(fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return Failed("create", fresh);
  }
  close(fd);
  {
    PGM_ASSIGN_OR_RETURN(const auto connection, SqliteConnection::Open(fresh, /*create=*/false));
    PGM_RETURN_IF_ERROR(
        connection->Execute(absl::StrCat("PRAGMA application_id = ", kApplicationId)));
  }
  if (rename(fresh.c_str(), path.c_str()) != 0) {
    return Failed("rename", fresh);
  }
  return SyncDirectory(std::filesystem::path(path).parent_path().string());
}

// What must be true before SQLite sees the file: it takes an empty file for a new database, and
// then throws away the write-ahead log beside it.
absl::Status CheckPresence(const std::string& path) {
  struct stat info {};

  if (stat(path.c_str(), &info) != 0) {
    return Failed("open", path);
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot open store \"", path, "\": not a regular file"));
  }
  if (info.st_size < kSmallestPage) {
    return StoreDamaged(path, absl::StrCat("The file has only ", info.st_size, " bytes."));
  }
  if ((info.st_mode & 077) != 0 && chmod(path.c_str(), 0600) != 0) {
    return Failed("restrict the permissions of", path);
  }
  return absl::OkStatus();
}

absl::Status EnsureFile(const std::string& path) {
  if (Exists(path)) {
    return CheckPresence(path);
  }
  if (Exists(path + "-wal")) {
    return StoreDamaged(path, absl::StrCat("The file is missing, but its write-ahead log \"", path,
                                           "-wal\" is still there."));
  }
  return CreateStoreFile(path);
}

absl::Status CheckIdentity(SqliteConnection& connection) {
  PGM_ASSIGN_OR_RETURN(const int64_t id, connection.QueryInteger("PRAGMA application_id"));
  if (id == kApplicationId) {
    return absl::OkStatus();
  }
  return WithInfo(
      absl::FailedPreconditionError(
          absl::StrCat("cannot open store \"", connection.path(), "\": not a pgmahout store")),
      ErrorInfo{"store-foreign",
                absl::StrCat("The application id in the file's header is ", id, ", not ",
                             kApplicationId, "."),
                "Correct the path; if it is right, the file's header is damaged: put a copy of "
                "the store in place."});
}

absl::Status CheckStructure(SqliteConnection& connection) {
  PGM_ASSIGN_OR_RETURN(const std::string finding, connection.QueryText("PRAGMA quick_check(1)"));
  return finding == "ok"
             ? absl::OkStatus()
             : StoreDamaged(connection.path(), absl::StrCat("SQLite's check says: ", finding, "."));
}

absl::Status SetDurability(SqliteConnection& connection) {
  PGM_ASSIGN_OR_RETURN(const std::string mode, connection.QueryText("PRAGMA journal_mode = WAL"));
  if (mode != "wal") {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot open store \"", connection.path(),
        "\": the file system does not support a write-ahead log (mode is ", mode, ")"));
  }
  PGM_RETURN_IF_ERROR(connection.Execute("PRAGMA synchronous = FULL"));
  PGM_RETURN_IF_ERROR(connection.Execute("PRAGMA foreign_keys = ON"));
  // Erased tokens and secrets leave no trace in free pages.
  return connection.Execute("PRAGMA secure_delete = ON");
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenStoreFile(
    const std::string& path, const std::vector<std::string>& migrations) {
  PGM_RETURN_IF_ERROR(EnsureFile(path));
  PGM_ASSIGN_OR_RETURN(auto connection, SqliteConnection::Open(path, /*create=*/false));
  connection->SetCheckpointOnClose(false);
  PGM_RETURN_IF_ERROR(CheckIdentity(*connection));
  PGM_RETURN_IF_ERROR(CheckSchemaVersion(*connection, migrations));
  PGM_RETURN_IF_ERROR(CheckStructure(*connection));
  PGM_RETURN_IF_ERROR(SetDurability(*connection));
  PGM_RETURN_IF_ERROR(Migrate(*connection, migrations));
  return connection;
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> OpenStoreReader(const std::string& path) {
  PGM_ASSIGN_OR_RETURN(auto connection, SqliteConnection::Open(path, /*create=*/false));
  PGM_RETURN_IF_ERROR(connection->Execute("PRAGMA query_only = ON"));
  return connection;
}

}  // namespace pgmahout::controller
