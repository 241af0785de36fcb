// SPDX-License-Identifier: Apache-2.0
// A watchdog device (/dev/watchdog): the machine resets when nobody petted it for as long as its
// driver says. The last resort where the guard itself cannot kill, or does not run any more.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pgmahout::guard {

class WatchdogDevice {
 public:
  // From here on the machine resets unless Pet() is called often enough.
  static absl::StatusOr<WatchdogDevice> Open(const std::string& path);

  // Leaves it running: only Disarm() stops the countdown.
  ~WatchdogDevice();
  WatchdogDevice(WatchdogDevice&& other) noexcept;
  WatchdogDevice& operator=(WatchdogDevice&&) = delete;
  WatchdogDevice(const WatchdogDevice&) = delete;
  WatchdogDevice& operator=(const WatchdogDevice&) = delete;

  absl::Status Pet();

  // The magic close, which stops the countdown unless the driver was loaded with nowayout.
  absl::Status Disarm();

 private:
  WatchdogDevice(int fd, std::string path);

  absl::Status Write(char c);

  int fd_;
  std::string path_;
};

}  // namespace pgmahout::guard
