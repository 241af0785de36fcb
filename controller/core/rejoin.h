// SPDX-License-Identifier: Apache-2.0
// What a member that rejoined had and the cluster's timeline does not have: told once.
#pragma once

#include <string>

#include "controller/core/turn.h"

namespace pgmahout::controller {

// Notes what `report` of `node` says of WAL that was left behind, unless that was noted before;
// Durable.rejoined remembers it. "Nothing was lost" is worth a line too.
void TellWhatWasLost(const Turn& turn, const std::string& node, const Report& report);

}  // namespace pgmahout::controller
