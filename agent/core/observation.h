// SPDX-License-Identifier: Apache-2.0
// Observation: what the agent saw on this VM a moment ago. Plain values; collecting them is the
// work of agent/postgres/observer.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/model/report.h"
#include "common/pg/lsn.h"

namespace pgmahout::agent {

// What pg_controldata says of a server that is down.
struct ControlData {
  uint64_t system_identifier = 0;
  std::string state;  // "shut down", "in production", "shut down in recovery", ...
  uint32_t timeline = 0;
  Lsn checkpoint_lsn;  // "Latest checkpoint location": where the record starts
  // "Minimum recovery ending location": recovery that ends before it leaves the data inconsistent.
  // Not valid (0/0) where there is none.
  Lsn min_recovery_lsn;
  uint32_t min_recovery_timeline = 0;

  friend bool operator==(const ControlData&, const ControlData&) = default;
};

struct DataDirectory {
  bool exists = false;
  bool complete = false;  // no step is, or was, in the middle of making it
  bool standby_signal = false;
  uint64_t system_identifier = 0;
  std::optional<ControlData> control;  // while no server runs, or while it shuts down
  std::string config;                  // pgmahout.conf as it is on disk; empty: none
  std::string hba;                     // pg_hba.conf
  // Parameters of ours that postgresql.auto.conf sets too, so that ours are not in force.
  std::vector<std::string> auto_conf_overrides;
  // The node's certificate is newer than the copy that the server uses.
  bool certificate_differs = false;
};

struct Slot {
  std::string name;
  bool active = false;
  Lsn restart_lsn;
};

// What a fresh connection answered.
struct SqlFacts {
  bool in_recovery = false;
  uint32_t timeline = 0;
  uint32_t parent_timeline = 0;  // from the timeline's history file, as the next
  Lsn fork_lsn;                  // where the timeline left its parent
  Lsn write_lsn;                 // pg_current_wal_flush_lsn(), on a primary
  Lsn receive_lsn;
  Lsn replay_lsn;
  Lsn redo_lsn;  // recovery would begin there: of the last checkpoint or restartpoint
  // Recovery has replayed all WAL in pg_wal and waits for more, so that the larger of receive_lsn
  // and replay_lsn is the end of what this standby has.
  bool replayed_all_local = false;
  int64_t replay_lag_milliseconds = 0;
  bool replay_paused = false;
  bool receiver_exists = false;     // a row in pg_stat_wal_receiver
  bool receiver_streaming = false;  // its status is "streaming"
  // When its last message came, by the server's own clock; only good for telling messages apart.
  std::string receiver_message;
  Duration receiver_message_age{0};
  std::string receiver_host;  // sender_host
  // A small transaction that was written and flushed here, on a primary: after `marker_before`, and
  // it ends at `marker_lsn`.
  std::optional<BootTime> marker_before;
  Lsn marker_lsn;
  std::vector<Attached> attached;
  std::vector<std::string> echoes;        // what witnesses say on their connections (alone.h)
  std::vector<Slot> slots;                // physical ones
  std::string config_id;                  // pgmahout.config_id as loaded
  std::string synchronous_standby_names;  // as loaded
  Duration since_config_load{0};
  std::vector<std::string> config_errors;  // pg_file_settings.error
  std::vector<std::string> hba_errors;     // pg_hba_file_rules.error
  std::vector<std::string> pending_restart;
  std::string roles_id;  // comment on the replication role: which definition of roles is in place
  std::string server_version;
  uint64_t server_started = 0;  // pg_postmaster_start_time(), in microseconds
  uint64_t archived_count = 0;
  uint64_t archive_failed_count = 0;
  std::string last_archived;
  std::map<std::string, uint64_t> database_bytes;
};

// Whether small writes to the data and WAL directories reach the disk.
struct DiskHealth {
  std::optional<BootTime> waits_since;  // a write that has not ended yet
  std::string error;                    // of the last write that ended
  bool full = false;                    // that error is: no space left

  friend bool operator==(const DiskHealth&, const DiskHealth&) = default;
};

// What a witness found on the primary.
struct Visit {
  BootTime at;                // when it was begun
  Lsn lsn;                    // pg_current_wal_flush_lsn()
  uint64_t wished_epoch = 0;  // at which the primary asks to go on alone; 0: it does not

  friend bool operator==(const Visit&, const Visit&) = default;
};

struct ExistingSetting {
  std::string value;           // as SHOW says it
  bool needs_restart = false;  // its context is postmaster
  bool own = false;            // from a configuration file, so somebody chose it
  bool fixed = false;          // from the command line, which no file can override

  friend bool operator==(const ExistingSetting&, const ExistingSetting&) = default;
};

// A server on this VM that is not pgmahout's, or not any more.
struct ExistingServer {
  std::string place;           // where it was looked for
  std::string data_directory;  // without symbolic links; empty: there is none
  bool runs = false;
  std::string trouble;  // why it could not be asked; the rest is empty then
  uint64_t system_identifier = 0;
  bool in_recovery = false;
  std::string version;  // "15.18"
  uint32_t major = 0;
  // Files that it reads where the agent's layout has others; empty: none.
  std::vector<std::string> foreign_files;
  std::map<std::string, ExistingSetting> settings;
  std::vector<std::string> hba;  // the lines of pg_hba.conf that are rules, without secrets
  std::vector<std::string> roles, databases, tablespaces, physical_slots, logical_slots;
};

struct Observation {
  DataDirectory data;
  ServerState server = ServerState::kAbsent;
  bool postmaster_alive = false;
  bool orphans = false;  // PostgreSQL processes without a postmaster; they may still acknowledge
  std::optional<SqlFacts> sql;  // only if the fresh connection answered in time
  std::string sql_error;
  // The running server may have read its configuration before it was last changed on disk. Once sql
  // is there, config_id tells.
  bool reload_is_owed = false;
  std::string replaying;  // the segment that a server replays that lets nobody in yet
  std::optional<BootTime> unresponsive_since;  // when fresh connections stopped being answered
  // A standby that receives nothing, or lets nobody in and replays nothing new, or ends whenever it
  // is started.
  std::optional<BootTime> not_streaming_since;
  std::optional<BootTime> receiver_heard_at;  // the last message of a streaming upstream
  std::optional<Visit> visit;                 // witness: the last that succeeded
  BootTime taken_at;                          // when it was begun
  DiskHealth disk;
  // Of the file system of the data or the WAL directory that has less room.
  uint64_t disk_free_bytes = 0;
  uint64_t disk_bytes = 0;
  std::optional<Duration> disk_full_in;    // DiskTrend::full_in()
  std::optional<DivergedWal> diverged;     // what was left behind at the present epoch
  uint64_t old_directories = 0;            // earlier data directories that were kept
  std::optional<ExistingServer> existing;  // only while it is looked for (adopt.h)
};

}  // namespace pgmahout::agent
