// SPDX-License-Identifier: Apache-2.0
// Adoption: a server that somebody else has made becomes a member as it runs, without a restart.
//
// PlanAdoption() is both the preview that a person reads and the check before the deed
// (docs/decisions/25-adopt.md).
#pragma once

#include <optional>

#include "agent/core/reconciler.h"
#include "common/model/adoption.h"

namespace pgmahout::agent {

// Whether the agent should look for such a server: it is asked for one, and has none yet.
bool WantsExisting(const std::optional<DesiredState>& desired,
                   const Memory& memory,
                   const Observation& seen);

// What taking over `world.observation.existing` would mean for what `world.desired` says. Needs
// `existing`.
AdoptionPlan PlanAdoption(const World& world);

// Why that server cannot be taken over as `part`; empty: it can. `settings` are those it would get.
std::vector<std::string> RefusalsOf(const World& world,
                                    AdoptionPart part,
                                    const std::map<std::string, std::string>& settings);

// Whether two values mean the same to PostgreSQL: "256MB" and "262144kB", "on" and "true".
bool SameValue(absl::string_view one, absl::string_view other);

}  // namespace pgmahout::agent
