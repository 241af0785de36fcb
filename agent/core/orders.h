// SPDX-License-Identifier: Apache-2.0
// Orders: which of the controller's messages count, and until when they make this node primary.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agent/core/memory.h"
#include "common/base/clock.h"
#include "common/model/desired_state.h"

namespace pgmahout::agent {

// An order as it arrived. The link has checked that it answers a heartbeat of its own (I5).
struct Received {
  Order order;
  BootTime sent_at;                     // when that heartbeat was sent
  std::optional<DesiredState> desired;  // when the controller thinks that ours is another
};

// All that is in force of what the controller has said since this agent started, and the lease.
struct Orders {
  uint64_t incarnation = 0;  // the highest of a controller that was obeyed
  uint64_t opening = 0;      // which one that was
  std::optional<DesiredState> desired;
  uint64_t generation = 0;  // of `desired`
  std::map<std::string, Lsn> member_lsn;
  std::optional<Lease> lease;
};

// Takes `received` into `orders`. False, and nothing changes, if it is older than what was obeyed
// already, from a controller before the present one or of a lower epoch; if it is from another one
// of the same number, which has opened another copy of the store; or if its lease and its desired
// state are of different epochs.
bool Obey(Received received, const Memory& memory, Orders* orders);

}  // namespace pgmahout::agent
