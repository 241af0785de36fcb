// SPDX-License-Identifier: Apache-2.0
// ClusterStates for tests of one decision: the cluster "orders" on db1 to db3 in a few well-known
// situations, which a test then changes in one point. Drive is for what happens over time.
#pragma once

#include <string>
#include <vector>

#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {

constexpr BootTime kNow = BootTime::FromMilliseconds(10'000'000);

// db1 is primary at epoch 1, everybody streams, DNS is up to date: no rule applies.
ClusterState Settled(ClusterSpec spec = SpecOf(3));

// At epoch 2; db1 fell silent a minute ago, all others have voted since, with the same WAL.
ClusterState Voted(ClusterSpec spec = SpecOf(3));

// A switchover at epoch 2: db1 has stopped cleanly, and all others have received all of its WAL.
ClusterState CleanlyStopped(ClusterSpec spec = SpecOf(3));

// db2 was chosen at epoch 2 a second ago, and is not writable yet.
ClusterState Promoting(ClusterSpec spec = SpecOf(3));

Report& ReportFrom(ClusterState& state, const std::string& node);

// The agent of `node` is there, but was not heard for a minute.
void Silence(ClusterState& state, const std::string& node);

// What the rules make of `state`, without any news.
Outcome Look(const ClusterState& state);
// The rules that left a line in the history.
std::vector<std::string> RulesIn(const Outcome& outcome);
bool Fires(const ClusterState& state, const std::string& rule);

// One point in which a state is changed, for tables of what makes a difference.
struct Change {
  const char* what;
  void (*apply)(ClusterState& state);
};

// `rule` fires on `state`, and on none of what the changes make of it.
void ExpectEachPrevents(const ClusterState& state,
                        const std::string& rule,
                        const std::vector<Change>& changes);
// The reverse: `rule` fires whichever of the changes is made.
void ExpectNonePrevents(const ClusterState& state,
                        const std::string& rule,
                        const std::vector<Change>& changes);

}  // namespace pgmahout::controller
