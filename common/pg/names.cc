// SPDX-License-Identifier: Apache-2.0
#include "common/pg/names.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/error.h"

namespace pgmahout {
namespace {

constexpr size_t kObjectNameMax = 40;  // leaves room for "pgmahout_" in a slot name
constexpr size_t kLabelBytesMax = 63;
constexpr size_t kIdentifierBytesMax = 63;  // NAMEDATALEN - 1

absl::Status Refuse(absl::string_view kind, absl::string_view name, absl::string_view hint) {
  return WithInfo(absl::InvalidArgumentError(absl::StrCat("invalid ", kind, " \"", name, "\"")),
                  ErrorInfo{"invalid-name", "", std::string(hint)});
}

bool HasControlCharacter(absl::string_view name) {
  return std::any_of(name.begin(), name.end(), [](char c) { return absl::ascii_iscntrl(c) != 0; });
}

absl::Status CheckIdentifier(absl::string_view kind, absl::string_view name) {
  if (name.empty() || name.size() > kIdentifierBytesMax || HasControlCharacter(name)) {
    return Refuse(kind, name, "Use 1 to 63 bytes without control characters.");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckObjectName(absl::string_view kind, absl::string_view name) {
  const bool good_characters = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  });
  if (name.empty() || name.size() > kObjectNameMax || !good_characters ||
      !absl::ascii_islower(name.front()) || name.back() == '-') {
    return Refuse(kind, name,
                  "Use 1 to 40 lower-case letters, digits and \"-\", starting with a letter.");
  }
  return absl::OkStatus();
}

absl::Status CheckLabel(absl::string_view key, absl::string_view value) {
  const bool good_characters = std::all_of(key.begin(), key.end(), [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("-_./", c);
  });
  if (key.empty() || key.size() > kLabelBytesMax || !good_characters ||
      !absl::ascii_isalnum(key.front()) || !absl::ascii_isalnum(key.back())) {
    return Refuse("label", absl::CHexEscape(key),
                  "Use 1 to 63 letters, digits, \"-\", \"_\", \".\" and \"/\", with a letter or "
                  "digit at both ends.");
  }
  if (value.size() > kLabelBytesMax || HasControlCharacter(value)) {
    return Refuse("value of a label", absl::CHexEscape(value),
                  "Use up to 63 bytes without control characters.");
  }
  return absl::OkStatus();
}

absl::Status CheckRoleName(absl::string_view name) {
  if (absl::Status status = CheckIdentifier("role name", name); !status.ok()) {
    return status;
  }
  constexpr std::array<absl::string_view, 3> kReserved = {"postgres", "public", "none"};
  if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end() ||
      absl::StartsWith(name, "pg_") || absl::StartsWith(name, "pgmahout_")) {
    return Refuse("role name", name,
                  "The names postgres, public, none, pg_* and pgmahout_* are reserved.");
  }
  return absl::OkStatus();
}

absl::Status CheckDatabaseName(absl::string_view name) {
  if (absl::Status status = CheckIdentifier("database name", name); !status.ok()) {
    return status;
  }
  if (name == "postgres" || name == "template0" || name == "template1") {
    return Refuse("database name", name, "postgres, template0 and template1 belong to the server.");
  }
  return absl::OkStatus();
}

absl::Status CheckParameterName(absl::string_view name) {
  const bool good_characters = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '.';
  });
  if (name.empty() || name.size() > kIdentifierBytesMax || !good_characters ||
      absl::ascii_isdigit(name.front())) {
    return Refuse("parameter name", name, "Use a name from pg_settings, in lower case.");
  }
  return absl::OkStatus();
}

std::string SlotNameOf(absl::string_view node) {
  return absl::StrCat("pgmahout_", absl::StrReplaceAll(node, {{"-", "_"}}));
}

}  // namespace pgmahout
