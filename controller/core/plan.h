// SPDX-License-Identifier: Apache-2.0
// Plan: what a person's request would lead to, step by step, for --dry-run. Nothing is changed.
#pragma once

#include <string>
#include <vector>

#include "common/base/clock.h"
#include "controller/core/cluster_state.h"
#include "controller/core/event.h"

namespace pgmahout::controller {

// One sentence a step, in order. `request` passed its check (advance.h) at `now`, or is a
// switchover or failover. Empty for events that are no requests.
std::vector<std::string> StepsOf(const ClusterState& state, const Event& request, BootTime now);

}  // namespace pgmahout::controller
