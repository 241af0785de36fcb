// SPDX-License-Identifier: Apache-2.0
// Tells systemd how this service is (sd_notify(3)). Unlike libsystemd's sd_notify it never waits: a
// systemd that hangs must keep nobody from a deadline.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "common/base/clock.h"

namespace pgmahout {

// Sends `state` ("READY=1") to `socket`, $NOTIFY_SOCKET. False if it could not be sent at once,
// which loses it; true, and nothing happens, if `socket` is empty.
bool NotifySystemd(const std::string& socket, absl::string_view state);

// What a daemon tells systemd of itself. One thread at a time.
class ServiceStatus {
 public:
  // `watchdog` is systemd's WatchdogSec=, 0 if there is none.
  ServiceStatus(std::string socket, Duration watchdog);

  // From $NOTIFY_SOCKET and $WATCHDOG_USEC, which are taken out of the environment: programs that
  // this one starts must not speak for it. Call it before there are threads.
  static ServiceStatus FromEnvironment();

  // It does its work from now on. Repeated by Alive() until it came through; more calls do nothing.
  void Ready();

  bool is_ready() const { return ready_; }

  // One line for `systemctl status`; sent when it differs from the last one.
  void Say(absl::string_view text);

  // The watchdog is fed. Call it at least each alive_period(), from where a hang must be noticed.
  void Alive();
  // A third of the watchdog's time, so that one that comes late does no harm; 1 s without a
  // watchdog.
  Duration alive_period() const;

  void Stopping();

 private:
  std::string socket_;
  Duration watchdog_;
  std::string said_;
  bool ready_ = false;
  bool ready_is_told_ = false;
};

}  // namespace pgmahout
