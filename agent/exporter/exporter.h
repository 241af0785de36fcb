// SPDX-License-Identifier: Apache-2.0
// Exporter: the agent's HTTP endpoints: /metrics for Prometheus with postgres_exporter's names, and
// Patroni's health paths for load balancers. Both serve the last snapshot and ask nobody.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/daemon/snapshot.h"

namespace pgmahout::agent {

struct ExporterConfig {
  std::string node;
  std::string metrics_listen;  // host:port; empty: none
  std::string health_listen;
};

class Exporter {
 public:
  virtual ~Exporter() = default;
  // Thread-safe. Until the first call every health path answers 503.
  virtual void Update(Snapshot snapshot) = 0;
};

// Listens on both addresses; they may be equal. The error names the address that is taken.
absl::StatusOr<std::unique_ptr<Exporter>> StartExporter(const ExporterConfig& config);

}  // namespace pgmahout::agent
