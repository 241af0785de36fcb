// SPDX-License-Identifier: Apache-2.0
// Witnesses: how a primary that hears no controller knows that nobody was promoted in its place.
//
// A standby votes for a new primary by detaching from the old one first. So a standby that has
// flushed WAL which was written after a known moment had not voted at that moment. As long as
// enough of them do, too few votes for a promotion can exist, and the primary may go on
// (docs/decisions, "Failsafe by witnesses"). A majority is lost: it fences itself in time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "agent/core/memory.h"
#include "agent/core/observation.h"
#include "common/base/clock.h"
#include "common/model/desired_state.h"

namespace pgmahout::agent {

// Up to when each standby is known not to have voted for another primary.
class Witnesses {
 public:
  // Takes in what was seen of a primary; forgets everything when `observation` shows none.
  void Take(const Observation& observation);

  // By node: the latest moment before which a marker was not yet written that the node has flushed.
  const std::map<std::string, BootTime>& seen() const { return seen_; }

 private:
  struct Marker {
    BootTime before;  // it was written after this moment
    Lsn lsn;          // where it ends
  };

  void Match(const Attached& standby);

  std::deque<Marker> markers_;  // oldest first
  std::map<std::string, BootTime> seen_;
};

// The moment at which this node must have stopped acknowledging writes: the lease's deadline, or
// later while enough witnesses of the lease's quorum are there. Nothing without a lease.
std::optional<BootTime> WriteDeadline(const std::optional<Lease>& lease,
                                      const std::map<std::string, BootTime>& witnesses,
                                      BootTime now);

}  // namespace pgmahout::agent
