// SPDX-License-Identifier: Apache-2.0
#include "common/pg/lsn.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace pgmahout {

std::string FormatLsn(Lsn lsn) {
  return absl::StrFormat("%X/%X", lsn.value >> 32, lsn.value & 0xffffffffU);
}

std::optional<Lsn> ParseLsn(absl::string_view text) {
  const std::vector<std::string> halves = absl::StrSplit(text, '/');
  if (halves.size() != 2 || halves[0].size() > 8 || halves[1].size() > 8) {
    return std::nullopt;
  }
  uint32_t high = 0;
  uint32_t low = 0;
  if (!absl::SimpleHexAtoi(halves[0], &high) || !absl::SimpleHexAtoi(halves[1], &low)) {
    return std::nullopt;
  }
  return Lsn{uint64_t{high} << 32 | low};
}

}  // namespace pgmahout
