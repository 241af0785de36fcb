// SPDX-License-Identifier: Apache-2.0
// The word that was probably meant, for errors that name what is allowed.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pgmahout {

// How many letters must be added, left out, replaced or swapped with their neighbour to turn `a`
// into `b`; upper and lower case are the same.
size_t EditDistance(absl::string_view a, absl::string_view b);

// The one of `allowed` that is nearest to `word`, or "" where none is near enough to be a slip.
std::string NearestWord(absl::string_view word, const std::vector<std::string>& allowed);

// "Did you mean "automatic"? Allowed: automatic, manual." as the hint of an error.
std::string AllowedHint(absl::string_view word, const std::vector<std::string>& allowed);

}  // namespace pgmahout
