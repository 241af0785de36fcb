// SPDX-License-Identifier: Apache-2.0
#include "common/base/systemd_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pgmahout {
namespace {

// Takes `name` out of the environment.
std::string Take(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before there are threads
  std::string taken = value == nullptr ? "" : value;
  unsetenv(name);  // NOLINT(concurrency-mt-unsafe)
  return taken;
}

// systemd takes a line only; what is in `text` may come from another machine.
std::string OneLine(absl::string_view text) {
  constexpr size_t kLongest = 500;
  std::string line(text.substr(0, kLongest));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return line;
}

}  // namespace

bool NotifySystemd(const std::string& socket, absl::string_view state) {
  sockaddr_un address{};
  if (socket.empty() || socket.size() >= sizeof address.sun_path) {
    return true;
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.data(), socket.size());
  if (address.sun_path[0] == '@') {
    address.sun_path[0] = '\0';  // an abstract name
  }
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return false;
  }
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
  const ssize_t sent = sendto(fd, state.data(), state.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), length);
  close(fd);
  return sent >= 0;
}

ServiceStatus::ServiceStatus(std::string socket, Duration watchdog)
    : socket_(std::move(socket)), watchdog_(watchdog) {}

ServiceStatus ServiceStatus::FromEnvironment() {
  const std::string watchdog = Take("WATCHDOG_USEC");
  const std::string watchdog_pid = Take("WATCHDOG_PID");
  int64_t microseconds = 0;
  const bool is_for_us = watchdog_pid.empty() || watchdog_pid == absl::StrCat(getpid());
  if (!is_for_us || !absl::SimpleAtoi(watchdog, &microseconds)) {
    microseconds = 0;
  }
  return {Take("NOTIFY_SOCKET"), Duration(microseconds / 1000)};
}

void ServiceStatus::Ready() {
  ready_ = true;
  if (!ready_is_told_) {
    ready_is_told_ = NotifySystemd(socket_, "READY=1");
  }
}

void ServiceStatus::Say(absl::string_view text) {
  std::string line = OneLine(text);
  if (line != said_ && NotifySystemd(socket_, absl::StrCat("STATUS=", line))) {
    said_ = std::move(line);
  }
}

void ServiceStatus::Alive() {
  if (ready_) {
    Ready();
  }
  NotifySystemd(socket_, "WATCHDOG=1");
}

Duration ServiceStatus::alive_period() const {
  constexpr Duration kWithoutWatchdog{1'000};
  constexpr Duration kShortest{50};
  return watchdog_.count() > 0 ? std::max(watchdog_ / 3, kShortest) : kWithoutWatchdog;
}

void ServiceStatus::Stopping() {
  NotifySystemd(socket_, "STOPPING=1");
}

}  // namespace pgmahout
