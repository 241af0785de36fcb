// SPDX-License-Identifier: Apache-2.0
// What an agent must not forget. Durable: fsynced before anybody is told (I4, I6).
#pragma once

#include <cstdint>
#include <string>

#include "common/base/clock.h"
#include "common/model/desired_state.h"

namespace pgmahout::agent {

struct Memory {
  uint64_t epoch = 0;  // the highest ever obeyed; lower orders are ignored
  std::string cluster;
  uint64_t system_identifier = 0;   // of the cluster this node belongs to
  uint64_t data_number = 0;         // the current data directory is "pgdata.<number>"
  uint64_t started_epoch = 0;       // the server was started or promoted as primary at this epoch
  uint64_t rewind_tried_epoch = 0;  // pg_rewind is tried once per epoch
  uint64_t replaced_epoch = 0;      // data that did not start was copied anew, once per epoch
  uint64_t backfilled_epoch = 0;    // the archive holds all WAL from before this epoch
  uint64_t checkpointed_epoch = 0;  // a checkpoint followed the promotion of this epoch
  // Primary: it went on alone at this epoch. Witness: it allowed that (agent/core/alone.h).
  uint64_t alone_epoch = 0;
  // The data directory was somebody's own, and was taken over for this cluster (adopt.h).
  bool adopted = false;

  friend bool operator==(const Memory&, const Memory&) = default;
};

// The right to be primary, as the agent counts it. Kept across restarts of the agent within one
// boot; not fsynced, because after another boot it means nothing.
struct Lease {
  uint64_t epoch = 0;
  BootTime deadline;  // counted from before the heartbeat was sent
  Duration length{0};
  Quorum quorum;  // that was ordered when it was granted: whose members are witnesses

  friend bool operator==(const Lease&, const Lease&) = default;
};

}  // namespace pgmahout::agent
