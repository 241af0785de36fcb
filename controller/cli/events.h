// SPDX-License-Identifier: Apache-2.0
// A cluster's events as the controller has recorded them.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/cli/session.h"

namespace pgmahout::cli {

// All events of the session's cluster, oldest first; with `history_only` those that belong to
// changes of primary. Blocks.
absl::StatusOr<std::vector<v1::Event>> FetchEvents(bool history_only, Session* session);

// Milliseconds since the first event of the same epoch, for each event: how long a failover took.
// By the controller's boot clock; by the wall clock where another controller wrote the first one.
std::vector<int64_t> ElapsedTimes(const std::vector<v1::Event>& events);

}  // namespace pgmahout::cli
