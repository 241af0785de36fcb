// SPDX-License-Identifier: Apache-2.0
// ClusterState: all the controller knows of one cluster.
//
// `durable` is what the store holds; the rest is rebuilt from reports after a restart. Ordered
// containers only, so that one input gives one output (docs/decisions).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/model/cluster_spec.h"
#include "common/model/desired_state.h"
#include "common/model/report.h"

namespace pgmahout::controller {

// Where a cluster is on its way from one primary to the next.
enum class Stage {
  kCreating,   // initdb on the first node, or a running server is adopted
  kRunning,    // `primary` is writable at `epoch`
  kStopping,   // switchover: `primary` is brought to a clean stop
  kFencing,    // `primary` may write no more; standbys vote
  kPromoting,  // `primary` was chosen and told; not confirmed yet
};

// What the DNS names should say. (epoch, change) only grows.
struct NameRecords {
  uint64_t epoch = 0;
  uint64_t change = 0;
  std::vector<std::string> primary_addresses;
  std::vector<std::string> standby_addresses;

  friend bool operator==(const NameRecords&, const NameRecords&) = default;
};

// A person asked for a new base backup of a standby. Single-use: it names what it replaces, and
// holds within one epoch only.
struct Reinit {
  std::string node;         // empty: none is asked for
  uint64_t directory = 0;   // the node's data directory is pgdata.<this>, until the copy is whole
  uint64_t epoch = 0;       // at which it was asked for
  bool is_ordered = false;  // the node has left every quorum, and was told

  friend bool operator==(const Reinit&, const Reinit&) = default;
};

// A person asked for a rolling restart: one member at a time, the primary last.
struct Restart {
  std::vector<std::string> nodes;  // still to do, in order; empty: none is asked for
  // The server of nodes[0] that was told to end (Report::server_started); 0: not told yet.
  uint64_t server = 0;
  uint64_t epoch = 0;     // at which it goes on; a change of primary that is not its own ends it
  bool in_place = false;  // the primary is restarted where it is, instead of a switchover

  friend bool operator==(const Restart&, const Restart&) = default;
};

struct Durable {
  ClusterSpec spec;
  uint64_t revision = 0;  // of the spec
  uint64_t system_identifier = 0;
  uint64_t epoch = 0;
  Stage stage = Stage::kCreating;
  std::string primary;  // kFencing: the node that was primary
  uint32_t timeline = 0;
  uint32_t parent_timeline = 0;  // of `timeline`; 0: none, or not known
  Lsn fork_lsn;                  // where `timeline` left its parent
  // A promotion at epoch e begins timeline e + this, or a later one: no two begin the same.
  uint32_t timelines_ahead = 0;
  // The quorum the primary was told last. With `older`: every quorum under which a commit may have
  // been acknowledged that is not yet known to be on enough members of `quorum`. A promotion by
  // votes must cover all of them.
  Quorum quorum;
  std::vector<Quorum> older;
  // `primary` was promoted as the measure of what was committed: until enough others hold what it
  // has, no votes prove anything.
  bool sole_copy = false;
  // The store is known to be older than what the agents have obeyed (quarantine.h).
  bool quarantined = false;
  // Every commit of earlier epochs is known to be on enough members of a quorum of this epoch or a
  // later one: whom a witness let go on alone before it matters no more.
  uint64_t confirmed_epoch = 0;
  // While the primary is replaced: how far its WAL is known to have come. Without it nobody could
  // tell after a restart of this controller how much an asynchronous primary takes with it.
  Lsn lost_wal_end;
  bool planned = false;           // this change of primary is a switchover
  std::string target;             // the node a person asked for; empty: the best
  bool accept_data_loss = false;  // a person accepted that commits may be missing
  bool was_healthy = false;
  NameRecords names;
  std::map<std::string, uint64_t> rejoined;  // by node: the last epoch whose lost WAL was told
  std::string replication_password_sealed;   // opaque here
  // The controller changes no roles and no data by itself; leases, the quorum and names go on.
  bool paused = false;
  // Members that a person works on: never promoted, in no quorum, not started when stopped.
  std::set<std::string> maintenance;
  Reinit reinit;
  Restart restart;
  bool adopted = false;  // made of running servers (adoption.h)

  friend bool operator==(const Durable&, const Durable&) = default;
};

struct MemberView {
  std::string address;
  bool connected = false;
  BootTime last_heard;
  std::optional<BootTime> gone_since;  // its stream was lost, and it has not dialled in again
  uint64_t sequence = 0;               // the latest heartbeat, which an order answers
  std::optional<Report> report;
  std::optional<BootTime> down_since;  // as primary: not running, as it says itself
  // As primary: the furthest its WAL reached while it ran. A crashed server tells its last
  // checkpoint only.
  Lsn wal_end;
  BootTime wal_end_at;                          // when that was so
  std::optional<BootTime> not_streaming_since;  // as standby: the primary does not see it stream
  bool attached = false;                        // the primary sees it stream
  // The primary's WAL position when this standby was first seen streaming. Once it has replayed
  // that far, its copy is known to work: reading WAL proves less than applying it.
  Lsn marker;
  bool replays = false;
  // As primary: until then it may still acknowledge writes by its lease, the clocks' drift
  // included.
  BootTime may_write_until;
  bool disk_is_short = false;  // disk.h
  std::string doubt;           // why its last report is not believed; empty: it is (doubt.h)
  // What was noted last of its doubts and refusals, and when.
  std::string complaint;
  std::optional<BootTime> complained_at;
  // When its vote of the present epoch came. It was no witness for the old primary from then on.
  std::optional<BootTime> voted_at;
};

struct NamesView {
  bool in_flight = false;
  bool in_sync = false;
  BootTime next_attempt;
  Duration backoff{0};
  std::vector<std::string> answered;  // what the servers said last
  std::string error;
};

struct ClusterState {
  Durable durable;
  std::map<std::string, MemberView> members;  // exactly the nodes of the spec
  MemberView witness;                         // the spec's witness; never in `members`
  BootTime started_at;                        // when this controller began to watch the cluster
  BootTime stage_since;                       // likewise, or when the stage changed
  // The primary's WAL position when `durable.quorum` was first seen in effect: once enough members
  // of it have flushed that far, older quorums govern nothing any more.
  std::optional<Lsn> quorum_barrier;
  NamesView names;
  std::string waiting_for;  // why the current stage does not end, for people
  BootTime restart_since;   // when the restart of the present member began
};

}  // namespace pgmahout::controller
