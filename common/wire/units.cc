// SPDX-License-Identifier: Apache-2.0
#include "common/wire/units.h"

#include <array>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pgmahout {
namespace {

struct Unit {
  absl::string_view name;
  uint64_t factor;
};

// The largest first; among equals the name that is printed first.
constexpr std::array kDurationUnits = {Unit{"d", 86'400'000}, Unit{"h", 3'600'000},
                                       Unit{"m", 60'000},     Unit{"min", 60'000},
                                       Unit{"s", 1'000},      Unit{"ms", 1}};
constexpr std::array kSizeUnits = {
    Unit{"TiB", uint64_t{1} << 40}, Unit{"TB", uint64_t{1} << 40},  Unit{"GiB", uint64_t{1} << 30},
    Unit{"GB", uint64_t{1} << 30},  Unit{"MiB", uint64_t{1} << 20}, Unit{"MB", uint64_t{1} << 20},
    Unit{"KiB", uint64_t{1} << 10}, Unit{"kB", uint64_t{1} << 10},  Unit{"B", 1}};
constexpr uint64_t kDurationMax = uint64_t{10} * 366 * 86'400'000;

template <size_t N>
std::optional<uint64_t> ParseWithUnit(absl::string_view text, const std::array<Unit, N>& units) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) {
    ++digits;
  }
  uint64_t number = 0;
  if (digits == 0 || !absl::SimpleAtoi(text.substr(0, digits), &number)) {
    return std::nullopt;
  }
  const absl::string_view name = absl::StripAsciiWhitespace(text.substr(digits));
  for (const Unit& unit : units) {
    if (unit.name == name) {
      const bool fits = number <= std::numeric_limits<uint64_t>::max() / unit.factor;
      return fits ? std::optional(number * unit.factor) : std::nullopt;
    }
  }
  return std::nullopt;
}

template <size_t N>
std::string FormatWithUnit(uint64_t value, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return absl::StrCat(value / unit.factor, unit.name);
    }
  }
  return absl::StrCat(value, units.back().name);
}

}  // namespace

std::optional<Duration> ParseDuration(absl::string_view text) {
  const std::optional<uint64_t> value = ParseWithUnit(text, kDurationUnits);
  if (!value.has_value() || *value > kDurationMax) {
    return std::nullopt;
  }
  return Duration(static_cast<int64_t>(*value));
}

std::optional<uint64_t> ParseSize(absl::string_view text) {
  uint64_t bytes = 0;
  if (!text.empty() && absl::ascii_isdigit(text.back())) {
    return absl::SimpleAtoi(text, &bytes) ? std::optional(bytes) : std::nullopt;
  }
  return ParseWithUnit(text, kSizeUnits);
}

std::string FormatDuration(Duration duration) {
  return FormatWithUnit(static_cast<uint64_t>(duration.count()), kDurationUnits);
}

std::string FormatSize(uint64_t bytes) {
  return FormatWithUnit(bytes, kSizeUnits);
}

}  // namespace pgmahout
