// SPDX-License-Identifier: Apache-2.0
// ProcessControl over systemd: the server is a unit, and systemd starts, stops and kills it. Talks
// to org.freedesktop.systemd1 (systemd docs, "The D-Bus API of systemd/PID 1").
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "agent/postgres/process_control.h"

struct sd_bus;

namespace pgmahout::agent {

// Opens a connection to a bus on which systemd answers; the caller owns it. Tests open one to a
// systemd of their own.
using BusOpener = absl::AnyInvocable<int(sd_bus**)>;

// `unit` as in "postgresql@14-main.service".
std::unique_ptr<ProcessControl> MakeSystemdControl(const std::string& unit, BusOpener open_bus);

// On the system bus.
std::unique_ptr<ProcessControl> MakeSystemdControl(const std::string& unit);

}  // namespace pgmahout::agent
