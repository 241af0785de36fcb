// SPDX-License-Identifier: Apache-2.0
// What the health paths answer. Paths and meanings are those of Patroni's REST API, so that load
// balancers configured for it work unchanged. Pure.
#pragma once

#include <optional>
#include <string>

#include "agent/daemon/snapshot.h"
#include "common/base/clock.h"
#include "common/http/http_server.h"

namespace pgmahout::agent {

// An older snapshot speaks for nobody: the agent's loop makes one a second.
inline constexpr Duration kSnapshotLifetime{5'000};

// `taken` is when `snapshot` was made. 200 if the path's claim holds, else 503, both with a JSON
// body; 404 for other paths, 400 for a lag that cannot be read. docs/metrics.md has the table.
HttpResponse AnswerHealth(const std::string& node,
                          const HttpRequest& request,
                          const std::optional<Snapshot>& snapshot,
                          BootTime taken,
                          BootTime now);

// Bytes in "1048576", "1MB", "16kB", up to TB, in either case; nothing for other text.
std::optional<uint64_t> ParseLag(const std::string& text);

}  // namespace pgmahout::agent
