// SPDX-License-Identifier: Apache-2.0
#include "controller/dns/dns_name.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/error.h"

namespace pgmahout::controller {
namespace {

constexpr size_t kMaxLabelBytes = 63;
constexpr size_t kMaxNameBytes = 255;  // on the wire: one more than the text with its final dot

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
}

std::string LabelProblem(const std::string& label) {
  if (label.empty()) {
    return "It has an empty label.";
  }
  if (label.size() > kMaxLabelBytes) {
    return absl::StrCat("The label \"", label, "\" has ", label.size(), " bytes; 63 are allowed.");
  }
  if (label.front() == '-' || label.back() == '-') {
    return absl::StrCat("The label \"", label, "\" begins or ends with a hyphen.");
  }
  for (const char c : label) {
    if (!IsNameCharacter(c)) {
      return absl::StrCat("The label \"", absl::CHexEscape(label),
                          "\" has a character that is not a letter, digit, '-' or '_'.");
    }
  }
  return "";
}

absl::Status InvalidName(absl::string_view text, absl::string_view problem) {
  return WithInfo(
      absl::InvalidArgumentError(absl::StrCat("invalid DNS name \"", absl::CHexEscape(text), "\"")),
      {"dns-bad-name", std::string(problem),
       "Write an absolute host name, such as orders-rw.db.example."});
}

}  // namespace

absl::StatusOr<std::string> NormalizeDnsName(absl::string_view text) {
  std::string name = absl::AsciiStrToLower(text);
  if (name.empty() || name == ".") {
    return InvalidName(text, "It is empty.");
  }
  if (name.back() != '.') {
    name.push_back('.');
  }
  const std::vector<std::string> labels = absl::StrSplit(name.substr(0, name.size() - 1), '.');
  for (const std::string& label : labels) {
    if (const std::string problem = LabelProblem(label); !problem.empty()) {
      return InvalidName(text, problem);
    }
  }
  if (name.size() + 1 > kMaxNameBytes) {
    return InvalidName(text, absl::StrCat("It takes ", name.size() + 1, " bytes; ", kMaxNameBytes,
                                          " are allowed."));
  }
  return name;
}

bool DnsNameIsInZone(absl::string_view name, absl::string_view zone) {
  return name == zone || absl::EndsWith(name, absl::StrCat(".", zone));
}

}  // namespace pgmahout::controller
