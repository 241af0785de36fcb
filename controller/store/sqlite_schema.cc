// SPDX-License-Identifier: Apache-2.0
#include "controller/store/sqlite_schema.h"

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::controller {
namespace {

// records has one b-tree only (WITHOUT ROWID), so no index can disagree with the table. checksum
// covers the other columns, because SQLite does not notice a flipped bit in a value.
// events: ids grow with the rows, and trimming never takes the newest, so none is used twice.
constexpr char kVersion1[] = R"sql(
CREATE TABLE records (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  wall_ms INTEGER NOT NULL,
  boot_ms INTEGER NOT NULL,
  cluster TEXT NOT NULL,
  node TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  rule TEXT NOT NULL,
  message TEXT NOT NULL,
  history INTEGER NOT NULL
) STRICT;

CREATE INDEX events_by_cluster ON events (cluster, id);
CREATE INDEX events_of_history ON events (cluster, id) WHERE history = 1;
)sql";

absl::Status ApplyOne(SqliteConnection& connection, const std::string& script, int64_t version) {
  PGM_RETURN_IF_ERROR(connection.Execute("BEGIN IMMEDIATE"));
  PGM_RETURN_IF_ERROR(connection.Execute(script));
  PGM_RETURN_IF_ERROR(connection.Execute(absl::StrCat("PRAGMA user_version = ", version)));
  return connection.Execute("COMMIT");
}

}  // namespace

const std::vector<std::string>& StoreMigrations() {
  static const auto* const migrations = new std::vector<std::string>{kVersion1};
  return *migrations;
}

absl::Status CheckSchemaVersion(SqliteConnection& connection,
                                const std::vector<std::string>& migrations) {
  PGM_ASSIGN_OR_RETURN(const int64_t version, connection.QueryInteger("PRAGMA user_version"));
  const auto newest = static_cast<int64_t>(migrations.size());
  if (version >= 0 && version <= newest) {
    return absl::OkStatus();
  }
  return WithInfo(
      absl::FailedPreconditionError(absl::StrCat("cannot open store \"", connection.path(),
                                                 "\": its schema is newer than this controller")),
      ErrorInfo{"store-schema-newer",
                absl::StrCat("The file has schema version ", version,
                             "; this controller knows up to ", newest, "."),
                "Install the controller version that wrote the file, or a newer one; or put the "
                "copy in place that was made before the upgrade."});
}

absl::Status Migrate(SqliteConnection& connection, const std::vector<std::string>& migrations) {
  PGM_ASSIGN_OR_RETURN(const int64_t current, connection.QueryInteger("PRAGMA user_version"));
  const auto newest = static_cast<int64_t>(migrations.size());
  for (int64_t version = current + 1; version <= newest; ++version) {
    const absl::Status applied =
        ApplyOne(connection, migrations[static_cast<size_t>(version - 1)], version);
    if (!applied.ok()) {
      connection.RollBack();
      return Annotate(applied, absl::StrCat("cannot bring the store from schema version ",
                                            version - 1, " to ", version));
    }
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::controller
