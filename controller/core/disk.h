// SPDX-License-Identifier: Apache-2.0
// What a person should know of a member's disk before it is full.
#pragma once

#include <string>

#include "controller/core/turn.h"

namespace pgmahout::controller {

// "disk of db2 full in about 40 min", or how full it is; empty while there is no need to worry.
// Begins below an hour at the present rate, or with less than 5 % free; ends above two hours and 7
// %.
std::string DiskWarning(const std::string& node, const MemberView& member);

// Takes the disk of `report` into `member`, and notes when it begins and ceases to be short.
void WatchDisk(const Turn& turn, const std::string& node, MemberView& member, const Report& report);

}  // namespace pgmahout::controller
