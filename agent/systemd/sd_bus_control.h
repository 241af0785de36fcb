// SPDX-License-Identifier: Apache-2.0
// ProcessControl over systemd: the server is a unit, and systemd starts, stops and kills it. Talks
// to org.freedesktop.systemd1 (systemd docs, "The D-Bus API of systemd/PID 1").
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "agent/postgres/process_control.h"
#include "agent/systemd/start_permit.h"

struct sd_bus;

namespace pgmahout::agent {

// Opens a connection to a bus on which systemd answers; the caller owns it. Tests open one to a
// systemd of their own.
using BusOpener = absl::AnyInvocable<int(sd_bus**)>;

// `unit` as in "postgresql@14-main.service". A start is permitted in `permit_directory`
// (agent/systemd/start_permit.h).
std::unique_ptr<ProcessControl> MakeSystemdControl(
    const std::string& unit,
    BusOpener open_bus,
    const std::string& permit_directory = kStartingDirectory);

// On the system bus.
std::unique_ptr<ProcessControl> MakeSystemdControl(const std::string& unit);

}  // namespace pgmahout::agent
