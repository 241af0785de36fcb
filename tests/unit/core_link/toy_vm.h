// SPDX-License-Identifier: Apache-2.0
// ToyVm: one VM of the simulation: a disk, a toy PostgreSQL whose WAL is a list of commit numbers,
// and an agent that does what the real Next() says.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/reconciler.h"

namespace pgmahout {

using Wal = std::vector<uint32_t>;  // commit numbers; 0 is a checkpoint record

constexpr Lsn LsnAt(size_t entries) {
  return Lsn{1'000 + 100 * uint64_t{entries}};
}

std::string AddressOf(const std::string& node);

// pgmahout.conf, as text and as what a server makes of it.
struct ToyConfig {
  std::string text;
  std::string upstream;  // node; empty: receives from nobody
  Quorum quorum;
};

struct ToyDisk {
  bool exists = false;
  bool standby_signal = false;
  Wal wal;
  uint32_t timeline = 0;
  uint32_t parent_timeline = 0;
  Lsn fork_lsn;
  std::string control_state = "shut down";
  Lsn checkpoint_lsn;
  ToyConfig config;
  std::string hba;
  std::string roles_id;
  std::vector<std::string> slots;
  agent::Memory memory;
};

struct ToyServer {
  bool running = false;
  bool in_recovery = false;
  ToyConfig loaded;
  Quorum loaded_before;  // walsenders go on with it for a moment
  BootTime loaded_at;
  std::string receives_from;  // the WAL receiver's upstream; it outlives a reload by a moment
  BootTime receiver_ends;     // when it does
  std::map<std::string, size_t> flushed;  // as primary: entries each standby confirmed
  size_t acknowledged = 0;  // entries before it are acknowledged, or nobody waits for them
};

struct ToyVm {
  std::string name;
  bool powered = true;
  BootTime frozen_until;  // nothing on it runs, neither agent nor server
  BootTime hung_until;    // the server works on, but new connections get no answer
  bool hears_controller = true;
  std::string cut_from;  // another VM it cannot reach
  ToyDisk disk;
  ToyServer server;

  // The agent.
  std::optional<DesiredState> desired;
  std::optional<agent::Lease> lease;
  uint64_t connection = 0;
  uint64_t sequence = 0;
  std::map<uint64_t, BootTime> sent_at;
  Report last_report;
  BootTime last_sent;
  std::optional<BootTime> not_streaming_since;

  bool Acts(BootTime now) const { return powered && now >= frozen_until; }

  bool IsPrimary() const { return server.running && !server.in_recovery; }

  agent::World See(BootTime now, const std::map<std::string, ToyVm>& all) const;
  void StartServer(BootTime now);
  void StopServer(bool clean);
  void Load(BootTime now);
};

// Whether `standby` can stream from `primary`: its WAL is the beginning of the primary's.
bool CanFollow(const ToyVm& standby, const ToyVm& primary);

bool CanTalk(const ToyVm& one, const ToyVm& other, BootTime now);

}  // namespace pgmahout
