// SPDX-License-Identifier: Apache-2.0
// Starting a guard where no systemd does it (containers, a quick start on one machine).
#pragma once

#include <string>

#include "absl/status/status.h"

namespace pgmahout::guard {

// Starts `program` (the path of pgmahout-guard) for `order_file` if no guard is alive there, in a
// session of its own and with nothing of ours but `log_file`, so that it survives this process.
// Returns when it guards. Blocks for a few milliseconds, 10 s at most.
//
// FailedPrecondition with the end of its log if it did not come up.
absl::Status EnsureGuardRuns(const std::string& program,
                             const std::string& order_file,
                             const std::string& report_file,
                             const std::string& log_file);

}  // namespace pgmahout::guard
