// SPDX-License-Identifier: Apache-2.0
#include "common/pg/lsn.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace pgmahout {

std::string FormatLsn(Lsn lsn) {
  return absl::StrFormat("%X/%X", lsn.value >> 32, lsn.value & 0xffffffffU);
}

namespace {

// SimpleHexAtoi() alone would also take blanks, a sign and "0x".
std::optional<uint32_t> ParseHalf(const std::string& text) {
  uint32_t value = 0;
  const bool is_hex =
      !text.empty() && text.size() <= 8 &&
      std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isxdigit(c); });
  return is_hex && absl::SimpleHexAtoi(text, &value) ? std::optional<uint32_t>(value)
                                                     : std::nullopt;
}

}  // namespace

std::optional<Lsn> ParseLsn(absl::string_view text) {
  const std::vector<std::string> halves = absl::StrSplit(text, '/');
  if (halves.size() != 2) {
    return std::nullopt;
  }
  const std::optional<uint32_t> high = ParseHalf(halves[0]);
  const std::optional<uint32_t> low = ParseHalf(halves[1]);
  if (!high.has_value() || !low.has_value()) {
    return std::nullopt;
  }
  return Lsn{uint64_t{*high} << 32 | *low};
}

}  // namespace pgmahout
