// SPDX-License-Identifier: Apache-2.0
// What `systemctl status` and the journal show of an agent.
#pragma once

#include <string>

#include "agent/daemon/snapshot.h"
#include "common/base/log.h"

namespace pgmahout::agent {

// "primary of orders at epoch 4, running; step base-backup 42%", in one line.
std::string StatusLine(const Snapshot& snapshot);

// NODE, and CLUSTER and EPOCH where the node is a member of a cluster.
LogFields LogContext(const std::string& node, const Snapshot& snapshot);

}  // namespace pgmahout::agent
