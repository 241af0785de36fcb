// SPDX-License-Identifier: Apache-2.0
// Status: what a person sees of a cluster, derived from its state.
#pragma once

#include <string>

#include "common/base/clock.h"
#include "controller/core/cluster_state.h"

namespace pgmahout::controller {

struct Phase {
  std::string name;  // Creating, Healthy, Degraded, FailingOver, SwitchingOver, NoPrimary, Paused
  std::string
      reason;  // Healthy may have one too: what will become a problem, or waits for a person
};

Phase PhaseOf(const ClusterState& state, BootTime now);

// One word for a member's state: running, streaming, starting, stopped, creating, rebuilding, ...
std::string MemberStateOf(const ClusterState& state, const std::string& node, BootTime now);

// Likewise for the spec's witness: ready (it may let the primary go on alone), watching (it reaches
// the primary, which does not need it now), waiting, unknown.
std::string WitnessStateOf(const ClusterState& state, BootTime now);
// Why `node` would not be promoted if the primary were lost now: WhyNotEligible(), and while a
// primary runs also that it does not stream from it. Empty: it would be.
std::string EligibleReasonOf(const ClusterState& state, const std::string& node, BootTime now);

// "quorum", "async", or empty for the primary. "leaving": in maintenance or to be copied anew, but
// commits may still rest on it.
std::string SyncStateOf(const ClusterState& state, const std::string& node);

}  // namespace pgmahout::controller
