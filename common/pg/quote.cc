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

std::string QuoteConfigValue(absl::string_view value) {
  return absl::StrCat(
      "'", absl::StrReplaceAll(value, {{"'", "''"}, {"\\", "\\\\"}, {"\n", "\\n"}, {"\r", "\\r"}}),
      "'");
}

std::string QuoteConninfoValue(absl::string_view value) {
  return absl::StrCat("'", absl::StrReplaceAll(value, {{"'", "\\'"}, {"\\", "\\\\"}}), "'");
}

std::string QuoteHbaField(absl::string_view field) {
  return absl::StrCat("\"", absl::StrReplaceAll(field, {{"\"", "\"\""}}), "\"");
}

}  // namespace pgmahout
