// SPDX-License-Identifier: Apache-2.0
// Adoption: a cluster that is made of servers which run already, and what is asked before.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "common/model/adoption.h"
#include "controller/core/cluster_state.h"

namespace pgmahout::controller {

// A new cluster whose first primary is the server that runs on `primary`, one of the spec's nodes.
// Nothing is durable yet.
ClusterState CreateAdopted(ClusterSpec spec,
                           const std::string& primary,
                           std::string sealed_replication_password,
                           BootTime now);

// What `node` is asked before: as if it were a member of `state`, which CreateAdopted() made.
// `epoch`: the highest it has obeyed.
DesiredState PreviewFor(const ClusterState& state, const std::string& node, uint64_t epoch);

// What no agent can know: adds a refusal to each standby whose data are not those of `primary`.
void CompareSystemIdentifiers(const std::string& primary,
                              std::map<std::string, AdoptionPlan>* plans);

// Why the cluster cannot be let go in good order now; OK if it can. Who holds the right to write
// has to hear of it at once.
absl::Status CheckRelease(const ClusterState& state, BootTime now);

}  // namespace pgmahout::controller
