// SPDX-License-Identifier: Apache-2.0
// Step: the one next thing to do on this VM. Every step may be repeated until it succeeds, and may
// be cut short at any moment; only the next observation tells what it achieved.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/core/memory.h"
#include "common/model/desired_state.h"

namespace pgmahout::agent {

enum class StepKind {
  kWait,
  kRemember,  // store `memory` durably
  kKill,      // SIGKILL to every PostgreSQL process of the data directory
  // Fast shutdown: sessions end, WAL is flushed and sent, checkpoint. After `kill_after` SIGKILL.
  kStopFast,
  kInitialize,  // initdb into a new directory
  kConfigure,   // write `config` and `hba`, check them, reload a running server
  kStart,
  kPromote,
  // pg_basebackup from `upstream` into a new directory; once it is complete, a server that runs in
  // the old one is stopped.
  kBaseBackup,
  kRewind,       // stop if running, pg_rewind against `upstream`, then standby.signal
  kMarkStandby,  // standby.signal on a cleanly stopped server, which has lost nothing
  kMarkVoter,    // standby.signal on a server that was primary, so that it can vote
  kEnsureRoles,  // roles, databases, extensions as specified, then `roles_id`
  kEnsureSlots,  // create, advance, drop physical slots
  kCheckpoint,
  kBackfillArchive,  // push WAL from before the promotion that the old primary may not have pushed
  kRemoveOldData,    // earlier data directories, once this one streams
  // Make `existing`, whose server runs, the current data directory; keep the files that will be
  // replaced, and let its configuration include ours.
  kAdopt,
  kLetGo,  // write `config`, put back what adoption has replaced, reload
};

struct SlotAdvance {
  std::string name;
  Lsn to;
};

struct SlotPlan {
  std::vector<std::string> create;
  std::vector<std::string> drop;
  std::vector<SlotAdvance> advance;

  bool empty() const { return create.empty() && drop.empty() && advance.empty(); }
};

struct Step {
  StepKind kind = StepKind::kWait;
  std::string rule;             // the name of the rule that chose it
  std::string reason;           // for people: what it waits for, or why it is done
  bool blocked = false;         // kWait: something is wrong that a person should see
  Memory memory;                // what to remember once the step succeeded
  bool remember_first = false;  // store `memory` before the step instead: it is tried once only
  Duration kill_after{60'000};  // kStopFast
  std::string config;           // kConfigure
  std::string hba;              // kConfigure
  // kConfigure: let the server's own parser check it before it is written. Off where only values
  // of ours differ from what is in force, because the check costs a failover tens of milliseconds.
  bool check_config = true;
  Member upstream;            // kBaseBackup, kRewind
  std::string slot;           // kBaseBackup: our slot on the upstream
  SlotPlan slots;             // kEnsureSlots
  uint32_t new_timeline = 0;  // kPromote: the lowest number that it may begin
  std::string roles_id;       // kEnsureRoles
  std::string existing;       // kAdopt: a data directory
  // kCheckpoint: then write, and have confirmed, nearly all that the current WAL segment has room
  // for. With archive_mode on a shutdown fills the segment up, and standbys receive that while
  // nobody can write.
  bool fill_segment = false;
};

}  // namespace pgmahout::agent
