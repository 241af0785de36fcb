// SPDX-License-Identifier: Apache-2.0
// StreamWatch: since when a standby is of no use, whatever is done to it.
#pragma once

#include <optional>
#include <string>

#include "agent/core/observation.h"
#include "agent/core/step.h"
#include "common/base/clock.h"

namespace pgmahout::agent {

class StreamWatch {
 public:
  // `last_step` is what Next() has said last.
  void Take(const Observation& seen, StepKind last_step, BootTime now);
  // Another copy of the data begins anew.
  void Reset();

  // As Observation::not_streaming_since.
  std::optional<BootTime> since() const { return since_; }

 private:
  std::string replaying_;  // as last seen
  std::optional<BootTime> since_;
};

}  // namespace pgmahout::agent
