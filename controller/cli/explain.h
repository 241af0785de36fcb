// SPDX-License-Identifier: Apache-2.0
// Which step of the story of a change of primary each of the controller's rules tells.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"

namespace pgmahout::cli {

// "detect", "choose", "promote" ...; empty for a rule that is no part of the story. Nothing for a
// rule that nobody has thought of: a test asks for every rule of the core.
std::optional<absl::string_view> StepOfRule(absl::string_view rule);

}  // namespace pgmahout::cli
