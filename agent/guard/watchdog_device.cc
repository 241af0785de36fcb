// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/watchdog_device.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"

namespace pgmahout::guard {

absl::StatusOr<WatchdogDevice> WatchdogDevice::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    return WithHint(ErrnoStatus(errno, absl::StrCat("cannot open watchdog \"", path, "\"")),
                    "Only one program can hold it: systemd does with RuntimeWatchdogSec=. Leave "
                    "out --watchdog where there is none.");
  }
  return WatchdogDevice(fd, path);
}

WatchdogDevice::WatchdogDevice(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

WatchdogDevice::WatchdogDevice(WatchdogDevice&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

WatchdogDevice::~WatchdogDevice() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

absl::Status WatchdogDevice::Write(char c) {
  return write(fd_, &c, 1) == 1
             ? absl::OkStatus()
             : ErrnoStatus(errno, absl::StrCat("cannot write to watchdog \"", path_, "\""));
}

absl::Status WatchdogDevice::Pet() {
  return Write('\0');
}

absl::Status WatchdogDevice::Disarm() {
  return Write('V');
}

}  // namespace pgmahout::guard
