// SPDX-License-Identifier: Apache-2.0
// The picture of one cluster that `pgmahout cluster show` prints.
#pragma once

#include <string>

#include "pgmahout/v1/resource.pb.h"

namespace pgmahout::cli {

// `spec` is the cluster's spec, or nullptr when the caller may not read it: then what only the spec
// knows is left out. `is_wide` adds columns.
std::string RenderCluster(const v1::ClusterStatus& status, const v1::Cluster* spec, bool is_wide);

// "orders: FailingOver, primary db2, epoch 5 (old primary is fenced)"
std::string DescribePhase(const v1::ClusterStatus& status);

}  // namespace pgmahout::cli
