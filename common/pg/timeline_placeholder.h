// SPDX-License-Identifier: Apache-2.0
// A timeline history that says nothing but that its number is taken.
#pragma once

#include "absl/strings/string_view.h"

namespace pgmahout {

// PostgreSQL skips lines that begin with "#"; without others a timeline has no ancestors. What
// recognizes a placeholder compares it to the letter: a change here makes those on disks histories
// of their own.
inline constexpr absl::string_view kTimelinePlaceholder =
    "# pgmahout: nobody's timeline, or one of a candidate that was lost. Keep this file: standbys\n"
    "# ask for the history of every number up to their own.\n";

}  // namespace pgmahout
