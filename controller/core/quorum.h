// SPDX-License-Identifier: Apache-2.0
// Quorum: which standbys must confirm a commit, and what that proves after the primary is lost.
#pragma once

#include <set>
#include <string>

#include "common/base/clock.h"
#include "controller/core/advance.h"
#include "controller/core/cluster_state.h"

namespace pgmahout::controller {

// Whether no primary under `quorum` has gone on alone, nor ever will: `voters` holds its witness,
// if it has one, whose vote says so (controller/core/witness.h).
bool NobodyIsAlone(const std::set<std::string>& voters, const Quorum& quorum);

// Whether every commit acknowledged under `quorum` is on at least one of `voters`: with any
// |S| - W + 1 of S at hand, the W that confirmed a commit cannot all be elsewhere; and nobody may
// be alone. Never for an asynchronous one.
bool Covers(const std::set<std::string>& voters, const Quorum& quorum);

// Covers() for every quorum under which a commit may have been acknowledged (I2).
bool CoversAll(const std::set<std::string>& voters, const Durable& durable);

// Likewise, but for commits that were acknowledged asynchronously by choice, while standbys
// streamed. A spec that says `off` now takes back no promise that was made before: neither that of
// a quorum nor, where `preferred` went on alone, that nobody is promoted unasked. What was promised
// before an asynchronous quorum was confirmed is on all of its standbys, and maybe on nobody else:
// one of them has to vote.
bool KeepPromises(const std::set<std::string>& voters, const Durable& durable);

// Whether commits may have been acknowledged that are not known to be on enough members of the
// present quorum.
bool IsUnconfirmed(const Durable& durable);

// Whether commits may have been acknowledged because `node` confirmed them.
bool IsInAnyQuorum(const Durable& durable, const std::string& node);

// Whether the vote of `node` is asked for. Not in maintenance, once no commit rests on it: what it
// received beyond the others is no reason to promote nobody.
bool VoteCounts(const Durable& durable, const std::string& node);

// Why `node`, a standby or the primary that hands over, cannot be done without: `required` would
// find too few standbys that stream. Empty: it can.
std::string WhyQuorumNeeds(const ClusterState& state, const std::string& node);

// The quorum a new primary starts with: the members that just voted, so that a second loss can be
// survived at once. If nobody else is left, or fewer than `required` asks for, all others: commits
// wait until they are back or a durable step lowers the number.
Quorum QuorumForNewPrimary(const Durable& durable,
                           const std::string& primary,
                           const std::set<std::string>& voters);

// Likewise, if `node` were promoted and all of the present quorum voted. Every standby has it in
// its configuration already, so that a promotion needs no reload first.
Quorum FutureQuorum(const Durable& durable, const std::string& node);

// Whether a primary under `quorum` that hears no controller finds too few witnesses once `voters`
// have detached from it (agent/core/witness.h). Never where it needs none.
bool LeaveTooFewWitnesses(const std::set<std::string>& voters, const Quorum& quorum);
// Likewise for every quorum that it may have been told.
bool LeaveTooFewWitnesses(const std::set<std::string>& voters, const Durable& durable);

// The primary's report, if it is fresh and the primary is writable at the present epoch; else null.
const Report* PrimaryReport(const ClusterState& state, BootTime now);

// What the quorum should be now, given who streams.
Quorum TargetQuorum(const ClusterState& state, BootTime now, const Timing& timing);

// Orders `quorum`; what may have governed commits until now must still be covered (I2).
void OrderQuorum(ClusterState& state, Quorum quorum);

}  // namespace pgmahout::controller
