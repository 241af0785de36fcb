// SPDX-License-Identifier: Apache-2.0
// Snapshot: what the HTTP endpoints show: the last report and what it was made from.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/core/memory.h"
#include "agent/core/observation.h"
#include "common/model/report.h"

namespace pgmahout::agent {

struct Snapshot {
  Report report;
  Observation observation;
  std::optional<Lease> lease;  // its deadline as extended by witnesses
  bool connected = false;      // to the controller
  uint64_t steps_run = 0;
  uint64_t steps_failed = 0;
};

}  // namespace pgmahout::agent
