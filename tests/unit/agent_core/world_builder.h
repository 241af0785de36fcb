// SPDX-License-Identifier: Apache-2.0
// Worlds for tests of the agent's decisions: db2 of the cluster "orders", in a few well-known
// situations that a test then changes in one point.
#pragma once

#include <ostream>
#include <string>

#include "agent/core/reconciler.h"

namespace pgmahout::agent {

constexpr uint64_t kSystemIdentifier = 7423474350493388827;
constexpr uint64_t kEpoch = 5;

constexpr BootTime At(int64_t milliseconds) {
  return BootTime::FromMilliseconds(milliseconds);
}

// A node that was told what to be at kEpoch, has stored it, and has no data yet.
World Told(Assignment assignment);

// Likewise, with complete data; `standby`: with standby.signal. No server runs.
World WithData(Assignment assignment, bool standby);

// Likewise, with a server that runs the configuration it should.
World Running(Assignment assignment, bool standby);

// A standby that follows db1.
World RunningStandby();

// A primary with a lease of ten seconds, nothing left to do.
World RunningPrimary();

// db2 was primary and is down; `state` and the rest are what pg_controldata says.
World FormerPrimary(const std::string& state, uint32_t timeline, Lsn checkpoint);

// Writes what Next() would configure to disk, and lets a running server load it.
void Configure(World& world, bool detached);

void GrantLease(World& world, Duration lease);

// "rule: kind", for a table of expectations.
std::string Decided(const World& world);
std::string NameOf(StepKind kind);

std::ostream& operator<<(std::ostream& out, StepKind kind);

}  // namespace pgmahout::agent
