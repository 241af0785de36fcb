// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/sql_facts.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "agent/core/config_file.h"
#include "agent/postgres/diverged_wal.h"
#include "common/base/durable_file.h"
#include "common/base/status_macros.h"
#include "common/pg/names.h"
#include "common/pg/quote.h"
#include "common/pg/timeline_history.h"

namespace pgmahout::agent {
namespace {

// One row; the order is that of TakeMain.
constexpr char kMainQuery[] = R"sql(
SELECT r.rec,
       CASE WHEN r.rec THEN '0/0' ELSE pg_current_wal_flush_lsn() END,
       CASE WHEN r.rec THEN '' ELSE pg_walfile_name(pg_current_wal_flush_lsn()) END,
       coalesce(pg_last_wal_receive_lsn(), '0/0'),
       coalesce(pg_last_wal_replay_lsn(), '0/0'),
       CASE WHEN r.rec THEN pg_is_wal_replay_paused() ELSE false END,
       CASE WHEN NOT r.rec OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE coalesce(1000 * extract(epoch FROM clock_timestamp()
                                         - pg_last_xact_replay_timestamp()), 0)::bigint END,
       w.pid IS NOT NULL OR EXISTS (SELECT FROM pg_stat_activity
                                     WHERE backend_type = 'walreceiver'), coalesce(w.status, ''), coalesce(w.received_tli, 0),
       coalesce(w.sender_host, ''),
       coalesce((SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup'), ''),
       coalesce((SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'), 0),
       (SELECT timeline_id FROM pg_control_checkpoint()),
       (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
       coalesce(current_setting('pgmahout.config_id', true), ''),
       current_setting('synchronous_standby_names'),
       (1000 * extract(epoch FROM clock_timestamp() - pg_conf_load_time()))::bigint,
       current_setting('server_version'),
       coalesce((SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s), ''),
       a.archived_count, a.failed_count, coalesce(a.last_archived_wal, ''),
       coalesce(w.last_msg_receipt_time::text, ''),
       coalesce((1000 * extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time))::bigint, 0),
       (1000000 * extract(epoch FROM pg_postmaster_start_time()))::bigint,
       (SELECT redo_lsn FROM pg_control_checkpoint())
  FROM (SELECT pg_is_in_recovery() AS rec) r
       LEFT JOIN pg_stat_wal_receiver w ON true
       CROSS JOIN pg_stat_archiver a)sql";

// Standbys, and what witnesses say (agent/core/alone.h).
constexpr char kAttachedQuery[] =
    "SELECT application_name, state = 'streaming', sync_state, coalesce(flush_lsn, '0/0'), "
    "coalesce(replay_lsn, '0/0') FROM pg_stat_replication UNION ALL "
    "SELECT application_name, false, 'echo', '0/0', '0/0' FROM pg_stat_activity "
    "WHERE application_name LIKE 'pgmw:%%' AND usename = %s ORDER BY 1";

constexpr char kSlotsQuery[] =
    "SELECT slot_name, active, coalesce(restart_lsn, '0/0') FROM pg_replication_slots "
    "WHERE slot_type = 'physical' ORDER BY 1";

bool IsTrue(const std::string& text) {
  return text == "t";
}

Lsn LsnOf(const std::string& text) {
  return ParseLsn(text).value_or(Lsn{});
}

template <typename T>
T NumberOf(const std::string& text) {
  T number = 0;
  return absl::SimpleAtoi(text, &number) ? number : T{0};
}

bool IsWalFileName(absl::string_view name) {
  return name.size() == 24 &&
         std::all_of(name.begin(), name.end(), [](char c) { return absl::ascii_isxdigit(c); });
}

uint32_t TimelineOfWalFile(const std::string& name) {
  uint32_t timeline = 0;
  return name.size() >= 8 && absl::SimpleHexAtoi(name.substr(0, 8), &timeline) ? timeline : 0;
}

void TakeFork(const std::string& data_directory, SqlFacts& facts) {
  const std::map<uint32_t, Lsn> ends = EndsOfTimelines(data_directory, facts.timeline);
  if (!ends.empty()) {
    facts.parent_timeline = ends.rbegin()->first;
    facts.fork_lsn = ends.rbegin()->second;
  }
}

SqlFacts TakeMain(const Row& row, const std::string& data_directory) {
  SqlFacts facts;
  facts.in_recovery = IsTrue(row[0]);
  facts.write_lsn = LsnOf(row[1]);
  facts.receive_lsn = LsnOf(row[3]);
  facts.replay_lsn = LsnOf(row[4]);
  facts.replay_paused = IsTrue(row[5]);
  facts.replay_lag_milliseconds = NumberOf<int64_t>(row[6]);
  facts.receiver_exists = IsTrue(row[7]);
  facts.receiver_streaming = row[8] == "streaming";
  facts.receiver_host = row[10];
  // Waiting for WAL, in this order: at the end of a stream, or of pg_wal with nowhere to ask.
  facts.replayed_all_local =
      row[11] == "RecoveryWalStream" || row[11] == "RecoveryRetrieveRetryInterval";
  if (facts.in_recovery) {
    const uint32_t newest =
        std::max({NumberOf<uint32_t>(row[9]), TimelineOfWalFile(SegmentOfStartupProcess(row[12])),
                  NumberOf<uint32_t>(row[13]), NumberOf<uint32_t>(row[14])});
    facts.timeline = TimelineOf(std::max(facts.receive_lsn, facts.replay_lsn), newest,
                                EndsOfTimelines(data_directory, newest));
  } else {
    facts.timeline = TimelineOfWalFile(row[2]);
    TakeFork(data_directory, facts);
  }
  facts.config_id = row[15];
  facts.synchronous_standby_names = row[16];
  facts.since_config_load = Duration{NumberOf<int64_t>(row[17])};
  facts.server_version = row[18].substr(0, row[18].find(' '));
  facts.roles_id = row[19];
  facts.archived_count = NumberOf<uint64_t>(row[20]);
  facts.archive_failed_count = NumberOf<uint64_t>(row[21]);
  facts.last_archived = row[22];
  facts.receiver_message = row[23];
  facts.receiver_message_age = Duration{NumberOf<int64_t>(row[24])};
  facts.server_started = NumberOf<uint64_t>(row[25]);
  facts.redo_lsn = LsnOf(row[26]);
  return facts;
}

std::vector<std::string> FirstColumn(const Rows& rows) {
  std::vector<std::string> values;
  for (const Row& row : rows) {
    values.push_back(row[0]);
  }
  return values;
}

}  // namespace

std::string SegmentOfStartupProcess(const std::string& pid) {
  const absl::StatusOr<std::string> file = ReadFile(absl::StrCat("/proc/", pid, "/cmdline"), 4096);
  const std::string title = file.ok() ? file->c_str() : "";  // up to the first NUL
  if (!absl::StrContains(title, " startup ")) {
    return "";
  }
  for (const auto& word : absl::StrSplit(title, ' ')) {
    if (IsWalFileName(word)) {
      return std::string(word);
    }
  }
  return "";
}

absl::StatusOr<SqlFacts> AskFacts(Session& session,
                                  const std::string& data_directory,
                                  BootTime deadline) {
  const std::string main_query = absl::StrFormat(kMainQuery, QuoteLiteral(kReplicationRole));
  PGM_ASSIGN_OR_RETURN(const Rows main_rows, session.Query(main_query, deadline));
  if (main_rows.size() != 1 || main_rows[0].size() != 27) {
    return absl::InternalError("the server's answer has another shape than was asked for");
  }
  SqlFacts facts = TakeMain(main_rows[0], data_directory);
  PGM_ASSIGN_OR_RETURN(
      const Rows attached,
      session.Query(absl::StrFormat(kAttachedQuery, QuoteLiteral(kReplicationRole)), deadline));
  for (const Row& row : attached) {
    if (row[2] == "echo") {
      facts.echoes.push_back(row[0]);
    } else if (CheckObjectName("node name", row[0])
                   .ok()) {  // others are pg_basebackup and the like
      facts.attached.push_back(
          Attached{row[0], IsTrue(row[1]), row[2], LsnOf(row[3]), LsnOf(row[4])});
    }
  }
  PGM_ASSIGN_OR_RETURN(const Rows slots, session.Query(kSlotsQuery, deadline));
  for (const Row& row : slots) {
    facts.slots.push_back(Slot{row[0], IsTrue(row[1]), LsnOf(row[2])});
  }
  return facts;
}

absl::StatusOr<Lsn> WriteMarker(Session& session, BootTime deadline) {
  // A real transaction: its commit record is flushed before COMMIT returns. 'local', as it must
  // not wait for standbys. READ WRITE, whatever default_transaction_read_only says.
  PGM_ASSIGN_OR_RETURN(
      const Rows rows,
      session.Query("BEGIN READ WRITE; SET LOCAL synchronous_commit = 'local'; "
                    "SELECT pg_logical_emit_message(true, 'pgmahout', ''); COMMIT; "
                    "SELECT pg_current_wal_flush_lsn()",
                    deadline));
  return rows.size() == 1 ? ParseLsn(rows[0][0]).value_or(Lsn{}) : Lsn{};
}

absl::Status AskSlowFacts(Session& session, BootTime deadline, SqlFacts* facts) {
  PGM_ASSIGN_OR_RETURN(
      const Rows config,
      session.Query("SELECT sourcefile || ':' || sourceline || ': ' || coalesce(name, '') || ': ' "
                    "|| error FROM pg_file_settings WHERE error IS NOT NULL AND error <> "
                    "'setting could not be applied'",
                    deadline));
  facts->config_errors = FirstColumn(config);
  PGM_ASSIGN_OR_RETURN(const Rows hba,
                       session.Query("SELECT 'line ' || line_number || ': ' || error FROM "
                                     "pg_hba_file_rules WHERE error IS NOT NULL",
                                     deadline));
  facts->hba_errors = FirstColumn(hba);
  PGM_ASSIGN_OR_RETURN(
      const Rows pending,
      session.Query("SELECT name FROM pg_settings WHERE pending_restart ORDER BY 1", deadline));
  facts->pending_restart = FirstColumn(pending);
  PGM_ASSIGN_OR_RETURN(
      const Rows sizes,
      session.Query("SELECT datname, pg_database_size(oid) FROM pg_database WHERE datallowconn",
                    deadline));
  facts->database_bytes.clear();
  for (const Row& row : sizes) {
    facts->database_bytes[row[0]] = NumberOf<uint64_t>(row[1]);
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::agent
