// SPDX-License-Identifier: Apache-2.0
// Sleeping until a point on the boot clock, to the millisecond, or until a signal asks to stop. A
// timer on CLOCK_BOOTTIME: time that the machine spent suspended counts.
#pragma once

#include "absl/status/statusor.h"
#include "common/base/clock.h"

namespace pgmahout::guard {

class WakeUp {
 public:
  // SIGTERM and SIGINT are from here on seen by SleepUntil() only; SIGHUP is ignored.
  static absl::StatusOr<WakeUp> Open();

  ~WakeUp();
  WakeUp(WakeUp&& other) noexcept;
  WakeUp& operator=(WakeUp&&) = delete;
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;

  // True if a signal asked to stop, which may be before `time`.
  bool SleepUntil(BootTime time);

 private:
  WakeUp(int timer, int signals) : timer_(timer), signals_(signals) {}

  int timer_;
  int signals_;
};

}  // namespace pgmahout::guard
