// SPDX-License-Identifier: Apache-2.0
// A cluster as postgresql-common knows it: configuration in /etc/postgresql/14/main, started by
// postgresql@14-main.service, listed by pg_lsclusters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pgmahout::agent {

struct StepRun;

// In the postgresql.conf of a server that was adopted, before the line that includes ours.
inline constexpr absl::string_view kIncludeMark =
    "# pgmahout-agent keeps its settings in this file, which has to be the last:";

struct DebianCluster {
  uint32_t major = 0;
  std::string name;  // "main"

  friend bool operator==(const DebianCluster&, const DebianCluster&) = default;
};

// "postgresql@14-main.service"; nothing for any other name.
std::optional<DebianCluster> DebianClusterOf(absl::string_view unit);

// Makes the configuration directory with pg_createcluster, unless it is there, around the data
// directory of the step. FailedPrecondition, and nothing changed, if it belongs to a server that
// somebody else has made, or if the spec wants another major version than the unit's.
absl::Status EnsureDebianCluster(const StepRun& run);

// pg_rewind of a server that crashed starts one that reads its configuration in the data directory.
absl::Status LeaveConfigurationBehind(const std::string& data_directory);

}  // namespace pgmahout::agent
