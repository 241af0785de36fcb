// SPDX-License-Identifier: Apache-2.0
// The version of a cluster's names, as the TXT record at the primary's name carries it:
// "pgmahout epoch=4 change=17".
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace pgmahout::controller {

struct NameVersion {
  uint64_t epoch = 0;
  uint64_t change = 0;

  friend auto operator<=>(const NameVersion&, const NameVersion&) = default;
};

// "pgmahout epoch=4 change=17", without quotes.
std::string FormatNameVersion(NameVersion version);

// The reverse. nullopt for every text that FormatNameVersion does not write: it is somebody else's.
std::optional<NameVersion> ParseNameVersion(absl::string_view text);

// "epoch 4, change 17", for people.
std::string DescribeNameVersion(NameVersion version);

}  // namespace pgmahout::controller
