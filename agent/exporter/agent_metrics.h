// SPDX-License-Identifier: Apache-2.0
// A snapshot as Prometheus metrics: postgres_exporter's names where it has them, pgmahout_* else.
#pragma once

#include <string>

#include "agent/daemon/snapshot.h"
#include "common/base/clock.h"
#include "common/http/metrics.h"

namespace pgmahout::agent {

// `taken` is when `snapshot` was made. One that is older than kSnapshotLifetime shows no more than
// that nothing is known: pg_up 0, so that alerts on it fire.
Metrics MetricsOf(const std::string& node, const Snapshot& snapshot, BootTime taken, BootTime now);

}  // namespace pgmahout::agent
