// SPDX-License-Identifier: Apache-2.0
#include "controller/dns/name_version.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pgmahout::controller {
namespace {

// Takes the digits at the front of `text`.
bool ConsumeNumber(absl::string_view* text, uint64_t* number) {
  const absl::string_view digits = text->substr(0, text->find_first_not_of("0123456789"));
  text->remove_prefix(digits.size());
  return absl::SimpleAtoi(digits, number);
}

}  // namespace

std::string FormatNameVersion(NameVersion version) {
  return absl::StrCat("pgmahout epoch=", version.epoch, " change=", version.change);
}

std::optional<NameVersion> ParseNameVersion(absl::string_view text) {
  absl::string_view rest = text;
  NameVersion version;
  if (!absl::ConsumePrefix(&rest, "pgmahout epoch=") || !ConsumeNumber(&rest, &version.epoch) ||
      !absl::ConsumePrefix(&rest, " change=") || !ConsumeNumber(&rest, &version.change)) {
    return std::nullopt;
  }
  // Also refuses leading zeros and whatever follows.
  if (FormatNameVersion(version) != std::string(text)) {
    return std::nullopt;
  }
  return version;
}

std::string DescribeNameVersion(NameVersion version) {
  return absl::StrCat("epoch ", version.epoch, ", change ", version.change);
}

}  // namespace pgmahout::controller
