// SPDX-License-Identifier: Apache-2.0
// A cluster's state as the message that `cluster show` prints.
#pragma once

#include "common/base/clock.h"
#include "controller/core/cluster_state.h"
#include "pgmahout/v1/resource.pb.h"

namespace pgmahout::controller {

v1::ClusterStatus StatusView(const ClusterState& state, BootTime now);

}  // namespace pgmahout::controller
