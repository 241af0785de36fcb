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
  kRemember,    // store `memory` durably
  kKill,        // SIGKILL to every PostgreSQL process of the data directory
  kStopFast,    // fast shutdown: sessions end, WAL is flushed and sent, checkpoint
  kInitialize,  // initdb into a new directory
  kConfigure,   // write `config` and `hba`, check them, reload a running server
  kStart,
  kPromote,
  kBaseBackup,   // pg_basebackup from `upstream` into a new directory
  kRewind,       // pg_rewind against `upstream`, then standby.signal
  kMarkStandby,  // standby.signal on a cleanly stopped server
  kEnsureRoles,  // roles, databases, extensions as specified, then `roles_id`
  kEnsureSlots,  // create, advance, drop physical slots
  kCheckpoint,
  kBackfillArchive,  // push WAL from before the promotion that the old primary may not have pushed
  kRemoveOldData,    // earlier data directories, once this one streams
};

struct SlotAdvance {
  std::string name;
  Lsn to;

  friend bool operator==(const SlotAdvance&, const SlotAdvance&) = default;
};

struct SlotPlan {
  std::vector<std::string> create;
  std::vector<std::string> drop;
  std::vector<SlotAdvance> advance;

  bool empty() const { return create.empty() && drop.empty() && advance.empty(); }

  friend bool operator==(const SlotPlan&, const SlotPlan&) = default;
};

struct Step {
  StepKind kind = StepKind::kWait;
  std::string rule;    // the name of the rule that chose it
  std::string reason;  // for people: what it waits for, or why it is done
  Memory memory;  // kRemember, and what to remember after kInitialize, kBaseBackup, kRewind, ...
  std::string config;    // kConfigure
  std::string hba;       // kConfigure
  Member upstream;       // kBaseBackup, kRewind
  std::string slot;      // kBaseBackup: our slot on the upstream
  SlotPlan slots;        // kEnsureSlots
  std::string roles_id;  // kEnsureRoles
};

}  // namespace pgmahout::agent
