// SPDX-License-Identifier: Apache-2.0
// Tells systemd how this service is (sd_notify(3)). Unlike libsystemd's sd_notify it never waits: a
// systemd that hangs must not keep the guard from its deadline.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace pgmahout::guard {

// Sends `state` ("READY=1") to `socket`, $NOTIFY_SOCKET. Lost if it cannot be sent at once; nothing
// happens if `socket` is empty.
void NotifySystemd(const std::string& socket, absl::string_view state);

}  // namespace pgmahout::guard
