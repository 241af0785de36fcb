// SPDX-License-Identifier: Apache-2.0
// pg_controldata of a server that is down.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "agent/core/observation.h"

namespace pgmahout::agent {

// Runs the program in `bin_directory`; blocks up to 5 s.
absl::StatusOr<ControlData> ReadControlData(const std::string& bin_directory,
                                            const std::string& data_directory);

}  // namespace pgmahout::agent
