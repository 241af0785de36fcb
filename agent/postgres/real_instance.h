// SPDX-License-Identifier: Apache-2.0
// The Instance of a real PostgreSQL server, over either way to control its processes.
#pragma once

#include <memory>

#include "agent/postgres/instance.h"
#include "agent/postgres/process_control.h"
#include "common/base/clock.h"

namespace pgmahout::agent {

std::unique_ptr<Instance> MakeRealInstance(InstanceConfig config,
                                           std::unique_ptr<ProcessControl> control,
                                           const Clock& clock);

}  // namespace pgmahout::agent
