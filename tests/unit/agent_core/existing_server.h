// SPDX-License-Identifier: Apache-2.0
// A server that somebody else has made, for tests of adoption: well set up, on db2.
#pragma once

#include <string>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {

// A primary that could be adopted.
ExistingServer GoodServer();

// db2 is asked or told `assignment` about it, as the primary of a new cluster or as a standby of
// db1; it belongs to no cluster and has no data of ours.
World WithExisting(Assignment assignment, bool as_primary);

void Set(World& world, const std::string& name, const std::string& value);

}  // namespace pgmahout::agent
