// SPDX-License-Identifier: Apache-2.0
// What `systemctl status` shows of a controller.
#pragma once

#include <string>

#include "controller/api/http_snapshot.h"

namespace pgmahout::controller {

// "3 clusters: 2 Healthy, 1 NoPrimary; 9 agents connected", in one line.
std::string StatusLine(const ControllerSnapshot& snapshot);

}  // namespace pgmahout::controller
