// SPDX-License-Identifier: Apache-2.0
// Looks at a server on this VM that is not pgmahout's: where it is, what it runs with. Changes
// nothing there.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "agent/core/memory.h"
#include "agent/core/observation.h"
#include "agent/postgres/layout.h"
#include "common/base/clock.h"

namespace pgmahout::agent {

// The current data directory of a node that was released, else the one that the agent is told of
// in agent.yaml, else that of its Debian cluster. Blocks until `deadline` at most.
ExistingServer LookAtExisting(const Layout& layout, const Memory& memory, BootTime deadline);

// The last data_directory of a postgresql.conf; empty if it sets none.
std::string DataDirectoryIn(absl::string_view config);

// The lines of a pg_hba.conf that are rules, each with single spaces and without passwords.
std::vector<std::string> RulesIn(absl::string_view hba);

}  // namespace pgmahout::agent
