// SPDX-License-Identifier: Apache-2.0
// The guard's loop: read the order, decide, act, sleep. One thread; see docs/guard.md for what it
// promises and guard_decision.h for what it decides.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace pgmahout::guard {

struct GuardOptions {
  std::string order_file;     // absolute paths all three
  std::string report_file;    //
  std::string watchdog;       // empty: none
  std::string notify_socket;  // $NOTIFY_SOCKET of systemd; empty: none
  // Obey the order as it is now, and return: at once if its deadline is still to come, else when
  // no process is left.
  bool once = false;
};

// Runs until SIGTERM or SIGINT, which are blocked for the calling process. Closes stdout once it
// guards, so that who started it can wait for that. Errors: another guard runs, the watchdog cannot
// be opened; with `once`: the server could not be killed.
absl::Status RunGuard(const GuardOptions& options);

}  // namespace pgmahout::guard
