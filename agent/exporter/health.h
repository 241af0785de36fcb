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

// `taken` is when `snapshot` was made; one that is older than 5 s speaks for nobody.
HttpResponse AnswerHealth(const std::string& node,
                          const HttpRequest& request,
                          const std::optional<Snapshot>& snapshot,
                          BootTime taken,
                          BootTime now);

// Bytes in "1048576", "1MB", "16kB"; nothing for other text.
std::optional<uint64_t> ParseLag(const std::string& text);

}  // namespace pgmahout::agent
