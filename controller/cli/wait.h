// SPDX-License-Identifier: Apache-2.0
// Waiting for a cluster to become what was asked for, by its own status.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "controller/cli/session.h"
#include "pgmahout/v1/resource.pb.h"

namespace pgmahout::cli {

// Nothing while it has to go on; OK or the error when it is over.
using Verdict = std::function<std::optional<absl::Status>(const v1::ClusterStatus&)>;

// Follows cluster `name` until `judge` says it is over, and tells each change of phase on stderr. A
// controller that restarts meanwhile is waited for. DeadlineExceeded after --timeout, counted from
// the call: the work goes on without us.
absl::Status WaitForCluster(const std::string& name, const Verdict& judge, Session* session);

// WaitForCluster() until it is Healthy; FailedPrecondition if it is paused.
absl::Status WaitUntilHealthy(const std::string& name, Session* session);

// Between two attempts.
void Pause(Duration duration);

// Follows cluster `name` and calls `show` with its status now and after each change, until `show`
// returns false or the cluster is gone (NotFound). A lost connection is told on stderr and tried
// again for ever.
absl::Status WatchCluster(const std::string& name,
                          const std::function<bool(const v1::ClusterStatus&)>& show,
                          Session* session);

}  // namespace pgmahout::cli
