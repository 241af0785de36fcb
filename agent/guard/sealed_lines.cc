// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/sealed_lines.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/fingerprint.h"
#include "common/base/status_macros.h"

namespace pgmahout::guard {
namespace {

constexpr absl::string_view kCheckPrefix = "check=";

std::string CheckLine(absl::string_view body) {
  return absl::StrCat(kCheckPrefix, absl::Hex(Fingerprint(body), absl::kZeroPad16), "\n");
}

template <typename Number>
absl::StatusOr<Number> ParseIn(const SealedLines& lines, const std::string& name) {
  PGM_ASSIGN_OR_RETURN(const std::string text, TextIn(lines, name));
  Number value = 0;
  if (!absl::SimpleAtoi(text, &value)) {
    return absl::DataLossError(absl::StrCat("line \"", name, "\" is no number"));
  }
  return value;
}

}  // namespace

std::string Seal(const SealedLines& lines) {
  std::string text;
  for (const auto& [name, value] : lines) {
    absl::StrAppend(&text, name, "=", value, "\n");
  }
  absl::StrAppend(&text, CheckLine(text));
  return text;
}

absl::StatusOr<SealedLines> Unseal(absl::string_view text) {
  const size_t check_at = text.rfind(kCheckPrefix);
  if (check_at == absl::string_view::npos) {
    return absl::DataLossError("the check sum is missing");
  }
  const absl::string_view body = text.substr(0, check_at);
  if (text.substr(check_at) != CheckLine(body)) {
    return absl::DataLossError("the check sum does not match");
  }
  SealedLines lines;
  for (const auto& line : absl::StrSplit(body, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(line, absl::MaxSplits('=', 1));
    lines[parts.first] = parts.second;
  }
  return lines;
}

absl::StatusOr<int64_t> NumberIn(const SealedLines& lines, const std::string& name) {
  return ParseIn<int64_t>(lines, name);
}

absl::StatusOr<uint64_t> UnsignedIn(const SealedLines& lines, const std::string& name) {
  return ParseIn<uint64_t>(lines, name);
}

absl::StatusOr<std::string> TextIn(const SealedLines& lines, const std::string& name) {
  const auto found = lines.find(name);
  if (found == lines.end()) {
    return absl::DataLossError(absl::StrCat("line \"", name, "\" is missing"));
  }
  return found->second;
}

}  // namespace pgmahout::guard
