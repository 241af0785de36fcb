// SPDX-License-Identifier: Apache-2.0
// Vm: one VM of the simulation: a clock, a disk, a PostgreSQL whose WAL is a list of records with
// identity, and an agent that does what the real Next() says.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/core/alone.h"
#include "agent/core/orders.h"
#include "agent/core/reconciler.h"
#include "agent/core/stream_watch.h"
#include "agent/core/witness.h"

namespace pgmahout::sim {

// A walsender goes on for so long without its standby.
constexpr Duration kWalSenderTimeout{10'000};

// A record is a client's commit (its number), or one of ours: checkpoint, marker (0).
using Wal = std::vector<uint32_t>;

constexpr uint64_t kSystemIdentifier = 77;

// So long before a server has stopped its walsenders have sent all.
constexpr Duration kLastOfWal{100};

// As if records were long: what counts megabytes counts dozens of them.
constexpr uint64_t kRecordBytes = uint64_t{1} << 18;

constexpr Lsn LsnAt(size_t records) {
  return Lsn{1'000 + kRecordBytes * uint64_t{records}};
}

std::string AddressOf(const std::string& node);

// pgmahout.conf, as text and as what a server makes of it.
struct Config {
  std::string text;
  std::string upstream;  // node; empty: receives from nobody
  Quorum quorum;
  uint64_t wished_epoch = 0;
};

struct Disk {
  bool exists = false;
  bool complete = false;  // false: a base backup or a rewind was cut short
  bool standby_signal = false;
  Wal wal;
  size_t flushed = 0;  // records that survive a loss of power
  uint32_t timeline = 0;
  uint32_t parent_timeline = 0;
  Lsn fork_lsn;
  std::map<uint32_t, Lsn> history;  // by timeline: where it left its parent
  std::string control_state = "shut down";
  Lsn checkpoint_lsn;
  // Recovery that has less lets nobody in: where the source of a rewind was when it ended.
  Lsn min_recovery_lsn;
  uint32_t min_recovery_timeline = 0;
  Config config;
  std::string hba;
  std::string roles_id;
  // Records that were confirmed, as the others are kept; nothing: it held back too much, and is
  // lost.
  std::map<std::string, std::optional<size_t>> slots;
  size_t removed = 0;               // records before it are in pg_wal no more
  std::vector<size_t> checkpoints;  // in this WAL: records before each
  bool starts = true;               // false: WAL is missing that a rewound server needs first
  agent::Memory memory;
};

// A standby's confirmation on its way, or in the socket of a frozen VM.
struct Confirmation {
  BootTime due;
  std::string standby;
  size_t flushed = 0;
};

// What a witness says on one of its connections, on its way.
struct Saying {
  BootTime due;
  std::string from;
  uint64_t connection = 0;
  std::string text;
};

// A connection of a witness, as its server knows it.
struct Heard {
  std::string from;
  uint64_t connection = 0;
  std::string text;               // as it arrived last
  std::optional<BootTime> noted;  // the witness gave it up; when its server will note that
};

// A promotion that was asked for. PostgreSQL ends it in its own time, whatever its agent does.
struct Promotion {
  BootTime due;
  uint32_t lowest = 0;  // number that its timeline may have
  uint64_t epoch = 0;   // at which it was asked for
};

struct Server {
  bool running = false;
  uint64_t started = 0;  // which of this VM's servers it is
  bool in_recovery = false;
  bool stopping = false;  // its shutdown checkpoint is on disk, the postmaster is not gone yet
  BootTime stopped_at;
  std::optional<Promotion> promotion;
  std::optional<BootTime> archives_at;  // when the archive gets the history of its timeline
  Config loaded;
  Quorum loaded_before;  // walsenders go on with it for a moment
  BootTime loaded_at;
  std::string receives_from;  // the WAL receiver's upstream; it outlives a reload by a moment
  BootTime receiver_ends;     // when it does
  BootTime received_at;       // when something last came from there
  std::map<std::string, size_t> flushed;     // as primary: records each standby confirmed
  std::map<std::string, BootTime> attached;  // as primary: when each standby was last there
  std::deque<Confirmation> confirmations;
  std::deque<Saying> sayings;
  std::vector<Heard> heard;
  size_t acknowledged = 0;  // records before it are acknowledged, or nobody waits for them
};

struct Vm {
  std::string name;
  BootTime booted_at;
  int64_t clock_at_boot = 0;   // what its clock showed then, ms
  int64_t clock_rate_ppm = 0;  // its error
  bool powered = true;
  BootTime frozen_until;  // nothing on it runs, neither agent nor server
  BootTime agent_frozen_until;
  BootTime hung_until;        // the server works on, but new connections get no answer
  BootTime disk_stuck_until;  // nothing written reaches the disk
  Disk disk;
  Server server;
  uint64_t servers_started = 0;

  // The agent.
  agent::Orders orders;
  agent::Witnesses witnesses;
  bool dials_twin = false;        // the second controller, if there is one
  uint64_t connection = 0;        // 0: none
  uint64_t ended_connection = 0;  // its controller has ended, but what it had sent may still arrive
  uint64_t sequence = 0;
  std::map<uint64_t, BootTime> sent_at;  // by this VM's clock
  Report last_report;
  BootTime last_sent;
  BootTime last_marker;
  agent::StreamWatch stream_watch;
  agent::StepKind last_step = agent::StepKind::kWait;
  std::optional<agent::Visit> visit;  // as witness
  uint64_t visits_on = 0;             // as witness: its connection; 0: it makes a new one

  bool Acts(BootTime now) const { return powered && now >= frozen_until; }

  bool IsPrimary() const { return server.running && !server.in_recovery; }

  bool IsConsistent() const {
    return !server.in_recovery || LsnAt(disk.wal.size()) >= disk.min_recovery_lsn;
  }

  bool Commits() const { return IsPrimary() && !server.stopping; }

  // What this VM's boot clock shows.
  BootTime Clock(BootTime now) const;

  void StartServer(BootTime now);
  // kill -9 of every process: what was written stays in the kernel's cache.
  void Crash();
  void LosePower();
  void Load(BootTime now);
  // The last checkpoint before its first `records` end; 0 if there is none.
  size_t CheckpointBefore(size_t records) const;
};

}  // namespace pgmahout::sim
