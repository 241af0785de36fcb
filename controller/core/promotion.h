// SPDX-License-Identifier: Apache-2.0
// Promotion: what every way of choosing a new primary does to the cluster's state.
#pragma once

#include <set>
#include <string>

#include "controller/core/failover.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {

// How far the lost primary's WAL reached, as it said itself; for a candidate that was lost too, how
// far that of its predecessor. 0/0: nobody told this controller.
Lsn EndOfLostWal(const Turn& turn);

// The primary may write no more, and standbys vote. How far it had come is remembered.
void EnterFencing(const Turn& turn);

// `report` is of the primary, writable at the present epoch: the cluster is on its timeline.
void TakeTimeline(const Turn& turn, const Report& report);

// `chosen` is the primary from now on. `voters`: who can confirm its commits at once.
void Promote(const Turn& turn, const Candidate& chosen, const std::set<std::string>& voters);

// After a Promote(): the old primary is fenced, so it needs no witnesses any more, and the new one
// is the measure of what was committed, whatever quorum that was under.
void ForgetOldQuorums(const Turn& turn);

// After a Promote() under asynchronous quorums: the votes kept all promises, but if `node`, who was
// chosen, is lost too, the next one must keep them as well. One of those who were left has to vote
// then; where none was, only `node` has what was promised.
void PassOnPromises(const Turn& turn, const std::string& node);

}  // namespace pgmahout::controller
