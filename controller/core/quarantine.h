// SPDX-License-Identifier: Apache-2.0
// Quarantine: the store is known to be older than the world. It was restored from a copy, so its
// primary, epoch and quorum may be of the past, and every order from it could undo a promise. The
// controller then is silent, as if it were down (agents live on their witnesses), until every
// member has told what it is.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "controller/core/cluster_state.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {

// Durable. Nothing but QuarantineRules() acts until it ends.
// `incarnation`: of the store, if it is known; names that this controller publishes are newer than
// those of every controller before it.
void Quarantine(const Turn& turn, absl::string_view evidence, uint64_t incarnation);

// An agent that has stored a higher epoch has obeyed a later store than this one. Adopts the epoch.
void AdoptEpoch(const Turn& turn, const std::string& node, const Report& report);

// A person accepts a loss rather than wait for members that are gone: goes on with the data of
// `target`, or of the most advanced member that can be heard. It is stopped first and starts again
// as primary.
void LeaveQuarantineByForce(const Turn& turn, const std::string& target);

// Who has not told yet what it is, one sentence each.
std::vector<std::string> WhoIsMissing(const ClusterState& state, BootTime now);

const std::vector<Rule>& QuarantineRules();

}  // namespace pgmahout::controller
