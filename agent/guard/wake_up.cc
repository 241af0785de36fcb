// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/wake_up.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "common/base/check.h"
#include "common/base/error.h"

namespace pgmahout::guard {

absl::StatusOr<WakeUp> WakeUp::Open() {
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGINT);
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  WakeUp wake_up(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK),
                 signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK));
  if (wake_up.timer_ < 0 || wake_up.signals_ < 0 || sigprocmask(SIG_BLOCK, &stops, nullptr) != 0) {
    return ErrnoStatus(errno, "cannot get a timer on the boot clock");
  }
  return wake_up;
}

WakeUp::~WakeUp() {
  for (const int fd : {timer_, signals_}) {
    if (fd >= 0) {
      close(fd);
    }
  }
}

WakeUp::WakeUp(WakeUp&& other) noexcept
    : timer_(std::exchange(other.timer_, -1)), signals_(std::exchange(other.signals_, -1)) {}

bool WakeUp::SleepUntil(BootTime time) {
  itimerspec when{};
  // All zero would switch the timer off.
  const int64_t milliseconds = std::max<int64_t>(time.milliseconds(), 1);
  when.it_value.tv_sec = milliseconds / 1000;
  when.it_value.tv_nsec = milliseconds % 1000 * 1'000'000;
  PGM_CHECK(timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr) == 0);
  std::array<pollfd, 2> wait{pollfd{timer_, POLLIN, 0}, pollfd{signals_, POLLIN, 0}};
  while (poll(wait.data(), wait.size(), -1) < 0 && errno == EINTR) {
  }
  signalfd_siginfo signal{};
  return read(signals_, &signal, sizeof signal) == sizeof signal;
}

}  // namespace pgmahout::guard
