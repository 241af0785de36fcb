// SPDX-License-Identifier: Apache-2.0
// Failover: who may write next, and when.
//
// Pure: the answer depends on the arguments alone. Read the table in failover.cc first.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/core/advance.h"
#include "controller/core/cluster_state.h"
#include "controller/core/quorum.h"

namespace pgmahout::controller {

struct Candidate {
  std::string node;
  Ballot ballot;
  uint32_t priority = 100;
};

// The votes at the present epoch that count: from members that may be promoted, heard of late.
std::vector<Candidate> CandidatesOf(const ClusterState& state, BootTime now);

// The one that loses least: highest timeline, then LSN, then priority, then the lower name, so that
// the same votes always give the same answer. Nothing without candidates.
std::optional<Candidate> BestOf(const std::vector<Candidate>& candidates);

// For certain no PostgreSQL process of the old primary can acknowledge a write any more: its agent
// says so at the present epoch; or its last lease is over on every clock, and so many standbys have
// voted, so long ago, that it has gone on without this controller no longer than until now either.
bool OldPrimaryIsFenced(const ClusterState& state, BootTime now, const Timing& timing);

// Its last lease is over. Alone it proves nothing: witnesses may have kept it writable.
bool LeaseIsOver(const ClusterState& state, BootTime now);

}  // namespace pgmahout::controller
