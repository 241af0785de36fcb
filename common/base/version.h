// SPDX-License-Identifier: Apache-2.0
// The version of all programs of this tree.
#pragma once

#include "absl/strings/string_view.h"

namespace pgmahout {

inline constexpr absl::string_view kVersion = "0.1.0";

}  // namespace pgmahout
