// SPDX-License-Identifier: Apache-2.0
#include "common/pg/quote.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace pgmahout {

std::string QuoteIdentifier(absl::string_view name) {
  return absl::StrCat("\"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\"");
}

std::string QuoteLiteral(absl::string_view text) {
  const bool has_backslash = text.find('\\') != absl::string_view::npos;
  return absl::StrCat(has_backslash ? "E'" : "'",
                      absl::StrReplaceAll(text, {{"'", "''"}, {"\\", "\\\\"}}), "'");
}

// By hand: the agent renders whole files at every look, and most values need no change.
std::string QuoteConfigValue(absl::string_view value) {
  std::string quoted;
  quoted.reserve(value.size() + 2);
  quoted += '\'';
  for (const char c : value) {
    switch (c) {
      case '\'':
        quoted += "''";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      default:
        quoted += c;
    }
  }
  quoted += '\'';
  return quoted;
}

std::string QuoteConninfoValue(absl::string_view value) {
  return absl::StrCat("'", absl::StrReplaceAll(value, {{"'", "\\'"}, {"\\", "\\\\"}}), "'");
}

std::string QuoteHbaField(absl::string_view field) {
  return absl::StrCat("\"", absl::StrReplaceAll(field, {{"\"", "\"\""}}), "\"");
}

}  // namespace pgmahout
