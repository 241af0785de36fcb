// SPDX-License-Identifier: Apache-2.0
// Whether a standby may become primary, as far as it is known before anybody votes.
#pragma once

#include <string>

#include "controller/core/cluster_state.h"

namespace pgmahout::controller {

// Why `node` would not be promoted if the primary were lost now; empty: it would be, or it is the
// primary.
std::string WhyNotEligible(const ClusterState& state, const std::string& node, BootTime now);

}  // namespace pgmahout::controller
