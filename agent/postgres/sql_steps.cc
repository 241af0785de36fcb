// SPDX-License-Identifier: Apache-2.0
// Steps that are SQL on the running server.
#include <algorithm>
#include <initializer_list>
#include <map>

#include "absl/strings/str_cat.h"
#include "agent/core/config_file.h"
#include "agent/postgres/sql_facts.h"
#include "agent/postgres/step_run.h"
#include "agent/postgres/timelines.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/pg/quote.h"

namespace pgmahout::agent {
namespace {

constexpr Duration kPromoteTimeout{60'000};
constexpr Duration kCheckpointTimeout{600'000};
constexpr Duration kFillTimeout{3'000};
constexpr Duration kSlotsTimeout{10'000};
constexpr Duration kRolesTimeout{60'000};

// SQLSTATEs (PostgreSQL docs, "PostgreSQL Error Codes").
constexpr absl::string_view kUndefinedObject = "42704";
constexpr absl::string_view kDuplicateObject = "42710";
constexpr absl::string_view kNotInPrerequisiteState = "55000";  // a slot moves forward only
constexpr absl::string_view kObjectInUse = "55006";

// OK if the statement failed with one of `harmless`: the plan was made from a look at the server
// that is a moment old.
absl::Status Tolerate(const absl::Status& status,
                      std::initializer_list<absl::string_view> harmless) {
  const std::string state = status.ok() ? "" : InfoOf(status).reason;
  const bool expected = std::find(harmless.begin(), harmless.end(), state) != harmless.end();
  return expected ? absl::OkStatus() : status;
}

// Before anything with a password in it: nothing of this session may reach the log. And it does not
// wait for standbys: roles are made before the first one exists.
constexpr char kQuietSession[] =
    "SET log_statement = 'none'; SET log_min_duration_statement = -1; "
    "SET log_min_error_statement = 'panic'; SET log_min_duration_sample = -1; "
    "SET synchronous_commit = 'local'";

// One session of EnsureRoles, on one database.
class RoleSession {
 public:
  static absl::StatusOr<RoleSession> Open(const StepRun& run, const std::string& database) {
    const BootTime deadline = SystemClock().Now() + kRolesTimeout;
    PGM_ASSIGN_OR_RETURN(Session session, run.Connect(database, deadline));
    PGM_RETURN_IF_ERROR(session.Query(kQuietSession, deadline).status());
    return RoleSession(std::move(session), deadline);
  }

  absl::Status Do(const std::string& sql) { return session_.Query(sql, deadline_).status(); }

  Session& session() { return session_; }

  absl::StatusOr<bool> Finds(const std::string& sql) {
    PGM_ASSIGN_OR_RETURN(const Rows rows, session_.Query(sql, deadline_));
    return !rows.empty();
  }

 private:
  RoleSession(Session session, BootTime deadline)
      : session_(std::move(session)), deadline_(deadline) {}

  Session session_;
  BootTime deadline_;
};

absl::Status EnsureRole(RoleSession& session,
                        const std::string& name,
                        const std::string& attributes) {
  PGM_ASSIGN_OR_RETURN(const bool exists, session.Finds("SELECT 1 FROM pg_roles WHERE rolname = " +
                                                        QuoteLiteral(name)));
  return session.Do(absl::StrCat(exists ? "ALTER ROLE " : "CREATE ROLE ", QuoteIdentifier(name),
                                 " WITH ", attributes));
}

// PostgreSQL docs, pg_rewind, "Notes": what a role that is no superuser needs.
absl::Status EnsureReplicationRole(RoleSession& session, const std::string& password) {
  const std::string name(kReplicationRole);
  PGM_ASSIGN_OR_RETURN(const std::string verifier, session.session().ScramVerifier(name, password));
  PGM_RETURN_IF_ERROR(
      EnsureRole(session, name, "LOGIN REPLICATION PASSWORD " + QuoteLiteral(verifier)));
  for (const char* function :
       {"pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)",
        "pg_read_binary_file(text)", "pg_read_binary_file(text, bigint, bigint, boolean)"}) {
    PGM_RETURN_IF_ERROR(session.Do(absl::StrCat("GRANT EXECUTE ON FUNCTION pg_catalog.", function,
                                                " TO ", QuoteIdentifier(kReplicationRole))));
  }
  return absl::OkStatus();
}

absl::Status EnsureSpecRoles(RoleSession& session, const DesiredState& desired) {
  std::map<std::string, std::string> verifiers;
  for (const RoleCredential& credential : desired.credentials) {
    verifiers[credential.role] = credential.verifier;
  }
  for (const RoleSpec& role : desired.spec.roles) {
    std::string attributes = role.login ? "LOGIN" : "NOLOGIN";
    if (role.login && verifiers.contains(role.name)) {
      // A SCRAM verifier is stored as it is (docs, CREATE ROLE, PASSWORD).
      absl::StrAppend(&attributes, " PASSWORD ", QuoteLiteral(verifiers.at(role.name)));
    }
    PGM_RETURN_IF_ERROR(EnsureRole(session, role.name, attributes));
  }
  return absl::OkStatus();
}

absl::Status EnsureDatabase(RoleSession& session, const DatabaseSpec& database) {
  PGM_ASSIGN_OR_RETURN(
      const bool exists,
      session.Finds("SELECT 1 FROM pg_database WHERE datname = " + QuoteLiteral(database.name)));
  const std::string owner =
      database.owner.empty() ? "" : absl::StrCat(" OWNER ", QuoteIdentifier(database.owner));
  if (!exists) {
    return session.Do(absl::StrCat("CREATE DATABASE ", QuoteIdentifier(database.name), owner));
  }
  if (owner.empty()) {
    return absl::OkStatus();
  }
  return session.Do(absl::StrCat("ALTER DATABASE ", QuoteIdentifier(database.name), " OWNER TO ",
                                 QuoteIdentifier(database.owner)));
}

// What a role may do with the tables of the database's owner, those to come included.
absl::Status GrantAccess(RoleSession& session,
                         const std::string& owner,
                         const std::string& role,
                         const std::string& preset) {
  const bool writes = preset == "readwrite";
  const std::string to = " TO " + QuoteIdentifier(role);
  const std::string tables = writes ? "SELECT, INSERT, UPDATE, DELETE" : "SELECT";
  const std::string sequences = writes ? "USAGE, SELECT" : "SELECT";
  PGM_RETURN_IF_ERROR(session.Do("GRANT USAGE ON SCHEMA public" + to));
  PGM_RETURN_IF_ERROR(
      session.Do(absl::StrCat("GRANT ", tables, " ON ALL TABLES IN SCHEMA public", to)));
  PGM_RETURN_IF_ERROR(
      session.Do(absl::StrCat("GRANT ", sequences, " ON ALL SEQUENCES IN SCHEMA public", to)));
  if (owner.empty()) {
    return absl::OkStatus();
  }
  const std::string defaults = absl::StrCat("ALTER DEFAULT PRIVILEGES FOR ROLE ",
                                            QuoteIdentifier(owner), " IN SCHEMA public GRANT ");
  PGM_RETURN_IF_ERROR(session.Do(absl::StrCat(defaults, tables, " ON TABLES", to)));
  return session.Do(absl::StrCat(defaults, sequences, " ON SEQUENCES", to));
}

absl::Status EnsureInsideDatabase(const StepRun& run, const DatabaseSpec& database) {
  PGM_ASSIGN_OR_RETURN(RoleSession session, RoleSession::Open(run, database.name));
  for (const std::string& extension : database.extensions) {
    PGM_RETURN_IF_ERROR(session.Do(absl::StrCat("CREATE EXTENSION IF NOT EXISTS ",
                                                QuoteIdentifier(extension), " SCHEMA public")));
  }
  // PostgreSQL 14 still lets everybody create tables in public; from 15 on only the owner may.
  PGM_RETURN_IF_ERROR(session.Do("REVOKE CREATE ON SCHEMA public FROM PUBLIC"));
  if (!database.owner.empty()) {
    PGM_RETURN_IF_ERROR(
        session.Do("ALTER SCHEMA public OWNER TO " + QuoteIdentifier(database.owner)));
  }
  for (const RoleSpec& role : run.desired.spec.roles) {
    for (const RoleAccess& access : role.access) {
      if (access.database == database.name) {
        PGM_RETURN_IF_ERROR(GrantAccess(session, database.owner, role.name, access.preset));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Promote(const StepRun& run) {
  const BootTime deadline = SystemClock().Now() + kPromoteTimeout;
  PGM_ASSIGN_OR_RETURN(Session session, run.Connect("postgres", deadline));
  PGM_ASSIGN_OR_RETURN(const SqlFacts facts, AskFacts(session, run.DataDirectory(), deadline));
  PGM_RETURN_IF_ERROR(TakeTimelineNumbers(run, facts.timeline));
  // Not to wait inside: pg_promote() looks only every 100 ms.
  PGM_RETURN_IF_ERROR(
      session.Query("SELECT CASE WHEN pg_is_in_recovery() THEN pg_promote(false) END", deadline)
          .status());
  while (!run.cancelled) {
    PGM_ASSIGN_OR_RETURN(
        const Rows rows,
        session.Query("SELECT pg_is_in_recovery() FROM pg_sleep(0.003)", deadline));
    if (rows.size() == 1 && rows[0][0] == "f") {
      return absl::OkStatus();
    }
    if (SystemClock().Now() >= deadline) {
      return absl::DeadlineExceededError("the promotion has not ended in time");
    }
  }
  return absl::CancelledError("cancelled");
}

namespace {

// A megabyte at most, so that no client's commit waits long behind it; a sixteenth of the segment
// stays free for what clients write until the server stops. 't' while there is more to do. Whoever
// may confirm commits confirms these too, so that the next one is not written ahead of them.
constexpr char kFillSegment[] =
    "WITH wal AS (SELECT setting::bigint AS segment FROM pg_settings"
    "             WHERE name = 'wal_segment_size'),"
    "     room AS (SELECT segment - segment / 16 -"
    "                     pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') % segment AS bytes"
    "              FROM wal)"
    "SELECT CASE WHEN current_setting('archive_mode') <> 'off' AND bytes > 0"
    "            THEN pg_logical_emit_message(true, 'pgmahout',"
    "                   repeat(' ', least(bytes, 1048576)::int)) IS NOT NULL"
    "            ELSE false END FROM room";

// It only saves time: where it takes longer than that it is given up.
absl::Status FillSegment(const StepRun& run, Session& session) {
  const BootTime deadline = SystemClock().Now() + kFillTimeout;
  while (!run.cancelled) {
    const absl::StatusOr<Rows> more = session.Query(kFillSegment, deadline);
    if (absl::IsDeadlineExceeded(more.status())) {
      return absl::OkStatus();
    }
    PGM_RETURN_IF_ERROR(more.status());
    if (more->size() != 1 || (*more)[0][0] != "t") {
      return absl::OkStatus();
    }
  }
  return absl::CancelledError("cancelled");
}

}  // namespace

absl::Status Checkpoint(const StepRun& run) {
  const BootTime deadline = SystemClock().Now() + kCheckpointTimeout;
  PGM_ASSIGN_OR_RETURN(Session session, run.Connect("postgres", deadline));
  PGM_RETURN_IF_ERROR(session.Query("CHECKPOINT", deadline).status());
  return run.step.fill_segment ? FillSegment(run, session) : absl::OkStatus();
}

absl::Status EnsureSlots(const StepRun& run) {
  const BootTime deadline = SystemClock().Now() + kSlotsTimeout;
  PGM_ASSIGN_OR_RETURN(Session session, run.Connect("postgres", deadline));
  const auto call = [&](absl::string_view function, const std::string& arguments,
                        std::initializer_list<absl::string_view> harmless) {
    return Tolerate(
        session.Query(absl::StrCat("SELECT ", function, "(", arguments, ")"), deadline).status(),
        harmless);
  };
  for (const std::string& name : run.step.slots.create) {
    PGM_RETURN_IF_ERROR(call("pg_create_physical_replication_slot",
                             absl::StrCat(QuoteLiteral(name), ", true"), {kDuplicateObject}));
  }
  for (const SlotAdvance& advance : run.step.slots.advance) {
    PGM_RETURN_IF_ERROR(
        call("pg_replication_slot_advance",
             absl::StrCat(QuoteLiteral(advance.name), ", ", QuoteLiteral(FormatLsn(advance.to))),
             {kNotInPrerequisiteState, kObjectInUse, kUndefinedObject}));
  }
  for (const std::string& name : run.step.slots.drop) {
    PGM_RETURN_IF_ERROR(
        call("pg_drop_replication_slot", QuoteLiteral(name), {kObjectInUse, kUndefinedObject}));
  }
  return absl::OkStatus();
}

absl::Status EnsureRoles(const StepRun& run) {
  PGM_ASSIGN_OR_RETURN(RoleSession session, RoleSession::Open(run, "postgres"));
  PGM_RETURN_IF_ERROR(EnsureReplicationRole(session, run.desired.replication_password));
  PGM_RETURN_IF_ERROR(EnsureSpecRoles(session, run.desired));
  for (const DatabaseSpec& database : run.desired.spec.databases) {
    run.progress("database " + database.name);
    PGM_RETURN_IF_ERROR(EnsureDatabase(session, database));
    PGM_RETURN_IF_ERROR(EnsureInsideDatabase(run, database));
  }
  // Last: it says that all of the above is in place.
  return session.Do(absl::StrCat("COMMENT ON ROLE ", QuoteIdentifier(kReplicationRole), " IS ",
                                 QuoteLiteral(run.step.roles_id)));
}

}  // namespace pgmahout::agent
