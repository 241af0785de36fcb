// SPDX-License-Identifier: Apache-2.0
// Report: what one agent sees on its node. Sent with every heartbeat; the controller decides from
// reports alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/model/adoption.h"
#include "common/model/desired_state.h"
#include "common/pg/lsn.h"

namespace pgmahout {

enum class ServerState {
  kAbsent,   // no data directory
  kStopped,  // data directory, no PostgreSQL process
  kStarting,
  kRunning,  // a fresh connection answers
  kStopping,
  kHung,  // processes are there, a fresh connection does not answer in time
};

enum class ServerRole { kUnknown, kPrimary, kStandby };

// A standby as its upstream sees it in pg_stat_replication.
struct Attached {
  std::string node;  // application_name
  bool streaming = false;
  std::string sync_state;
  Lsn flush_lsn;
  Lsn replay_lsn;

  friend bool operator==(const Attached&, const Attached&) = default;
};

// A vote: at `epoch` this standby receives nothing from the old primary any more, and its WAL
// reaches `lsn` on `timeline`. Cast only after the WAL receiver is gone.
struct Ballot {
  uint64_t epoch = 0;
  uint32_t timeline = 0;
  Lsn lsn;

  friend bool operator==(const Ballot&, const Ballot&) = default;
};

// WAL that a node had on `timeline` and the cluster's present timeline does not have, as it was
// found when the node rejoined at `epoch`.
struct DivergedWal {
  uint64_t epoch = 0;
  uint32_t timeline = 0;
  Lsn from;  // where the histories parted; 0/0: not known
  Lsn to;    // where its WAL ended; the same: nothing was lost

  friend bool operator==(const DivergedWal&, const DivergedWal&) = default;
};

struct Report {
  std::string cluster;              // empty: member of none
  uint64_t epoch = 0;               // the highest this agent has stored durably
  uint64_t generation = 0;          // of the desired state it holds
  uint64_t obeyed_incarnation = 0;  // the highest of a controller that it has obeyed
  uint64_t obeyed_opening = 0;      // of the same; 0: not known
  uint64_t system_identifier = 0;   // of the data directory; 0: none
  ServerState server = ServerState::kAbsent;
  ServerRole role = ServerRole::kUnknown;
  bool data_is_complete = false;  // not in the middle of initdb, base backup or rewind
  uint32_t timeline = 0;
  uint32_t parent_timeline = 0;  // primary: which this timeline left; 0 on timeline 1
  Lsn fork_lsn;                  // primary: where it left it; 0/0 on timeline 1
  Lsn write_lsn;                 // primary: flushed
  Lsn receive_lsn;               // standby: received and flushed
  Lsn replay_lsn;                // standby
  int64_t replay_lag_milliseconds = 0;
  bool replay_paused = false;
  bool receiver_streaming = false;         // witness: it reaches the primary
  std::string receiver_upstream;           // node name it streams from, if known
  bool upstream_unreachable = false;       // its own connection attempts to the upstream fail
  std::optional<Quorum> quorum_in_effect;  // primary: confirmed settled, on a fresh connection
  std::vector<Attached> attached;          // primary
  std::optional<Ballot> ballot;
  // The server is down after a clean shutdown, and its WAL ends just behind the checkpoint record
  // at `write_lsn`.
  bool clean_stop = false;
  std::optional<DivergedWal> diverged;
  uint64_t writable_epoch = 0;  // primary: writable since the order of this epoch
  uint64_t started_epoch = 0;   // at which it was last started or promoted as primary; 0: never
  bool roles_ready = false;     // primary: replication role, roles and databases are as specified
  // Primary: the last epoch at which it went on alone. Witness: the last at which it allowed that.
  uint64_t alone_epoch = 0;
  std::string server_version;  // "14.23"
  std::string agent_version;
  std::string step;        // what the agent is doing: "base-backup 42%"
  std::string step_error;  // why it does not get on; empty when it does
  std::string illness;     // why a server that runs cannot be primary; empty: it can
  std::vector<std::string> pending_restart;  // parameters
  std::string receiver_trouble;              // standby: why no WAL arrives; empty: it does
  uint64_t disk_free_bytes = 0;              // of the file system of data or WAL that has less room
  uint64_t disk_bytes = 0;                   // its size; 0: not known
  std::optional<Duration> disk_full_in;      // at the present rate; nothing: it does not fill up
  // When the server that runs was started, in microseconds since the Unix epoch by its own clock;
  // only good for telling servers apart. 0: not known.
  uint64_t server_started = 0;
  uint64_t data_number = 0;              // the data directory is pgdata.<this>
  std::optional<AdoptionPlan> adoption;  // as answer to kPreview

  friend bool operator==(const Report&, const Report&) = default;
};

}  // namespace pgmahout
