// SPDX-License-Identifier: Apache-2.0
// What a process needs so that it still runs when the machine is short of memory or of CPU.
#pragma once

#include <vector>

#include "absl/status/status.h"

namespace pgmahout::guard {

// Locks this process into memory, with some spare heap and stack; asks for a real-time priority, or
// else for a low nice value; and asks to be spared by the OOM killer. Returns what was refused:
// without it the guard works, but may be late on an overloaded machine.
std::vector<absl::Status> TakePrivileges();

}  // namespace pgmahout::guard
