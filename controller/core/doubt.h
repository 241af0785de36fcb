// SPDX-License-Identifier: Apache-2.0
// Doubt: what in a report cannot be true. An agent is authenticated, not trusted: its VM may have
// been cloned, its data directory swapped, its program broken. What it says then decides nothing,
// and a person is told why.
#pragma once

#include <string>

#include "controller/core/cluster_state.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {

struct Doubt {
  std::string reason;  // without figures, so that it stays the same; empty: no doubt
  std::string detail;  // the figures
};

// Why `report` is not believed. Checked are the cluster's name, the system identifier,
// timelines beyond what the changes of primary so far can have begun, and WAL beyond what the
// primary can have written since it was last heard. Before the primary has told this controller
// where its WAL ends there is nothing to compare with.
Doubt DoubtOf(const ClusterState& state, const Report& report, BootTime now);

// `report` without all that rules decide by: role, positions, votes, confirmations. What a person
// wants to see stays: states, the step, errors, versions.
Report WithoutClaims(Report report);

// Takes the doubt about `report` of `node` into `member` and notes it. The report as it may be
// used.
Report Believable(const Turn& turn,
                  const std::string& node,
                  MemberView& member,
                  const Report& report);

// A stream or a message of `node` was refused at the door. Of a member's refusals and doubts at
// most one in ten seconds is noted, and the same one at most once an hour.
void NoteRefusal(const Turn& turn, const std::string& node, const std::string& reason);

}  // namespace pgmahout::controller
