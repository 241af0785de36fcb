// SPDX-License-Identifier: Apache-2.0
#include "common/wire/parameters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/error.h"
#include "common/pg/names.h"
#include "common/wire/nearest.h"
#include "common/wire/parameter_table.h"

namespace pgmahout {
namespace {

constexpr size_t kValueBytesMax = 1024;
constexpr size_t kTypoNameMin = 8;  // shorter names lie too near to each other
constexpr size_t kTypoDistanceMax = 2;

constexpr std::array<absl::string_view, 25> kOwned = {"archive_library",
                                                      "archive_mode",
                                                      "cluster_name",
                                                      "config_file",
                                                      "data_directory",
                                                      "dynamic_library_path",
                                                      "event_source",
                                                      "external_pid_file",
                                                      "fsync",
                                                      "full_page_writes",
                                                      "hba_file",
                                                      "hot_standby",
                                                      "ident_file",
                                                      "jit_provider",
                                                      "krb_server_keyfile",
                                                      "listen_addresses",
                                                      "log_directory",
                                                      "log_filename",
                                                      "password_encryption",
                                                      "port",
                                                      "promote_trigger_file",
                                                      "synchronous_standby_names",
                                                      "wal_level",
                                                      "wal_log_hints",
                                                      "output_plugin_libraries"};
// "recovery_" alone would take recovery_prefetch too.
constexpr std::array<absl::string_view, 8> kOwnedPrefixes = {
    "include",         "ssl_",     "primary_",      "unix_socket_",
    "recovery_target", "restore_", "recovery_min_", "pgmahout."};
constexpr std::array<absl::string_view, 3> kLibraryLists = {
    "shared_preload_libraries", "session_preload_libraries", "local_preload_libraries"};
constexpr std::array<absl::string_view, 8> kBoolWords = {"on",  "off", "true", "false",
                                                         "yes", "no",  "1",    "0"};

struct Unit {
  absl::string_view name;
  double factor;
};

// PostgreSQL's own units: case counts, and there is no MiB.
constexpr std::array kSizeUnits = {Unit{"B", 1}, Unit{"kB", 1024}, Unit{"MB", 1048576},
                                   Unit{"GB", 1073741824}, Unit{"TB", 1099511627776}};
constexpr std::array kTimeUnits = {Unit{"us", 0.001},    Unit{"ms", 1},
                                   Unit{"s", 1'000},     Unit{"min", 60'000},
                                   Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};

absl::Status Refuse(absl::string_view name, absl::string_view value, absl::string_view hint) {
  return WithInfo(
      absl::InvalidArgumentError(absl::StrCat("invalid value for ", name, ": \"", value, "\"")),
      ErrorInfo{"invalid-parameter", "", std::string(hint)});
}

template <size_t N>
std::optional<double> UnitFactor(absl::string_view text, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (unit.name == text) {
      return unit.factor;
    }
  }
  return std::nullopt;
}

// The factor from `unit` to the rule's base unit; nothing for a unit the rule does not have.
std::optional<double> FactorToBase(const ParameterRule& rule, absl::string_view unit) {
  if (unit.empty()) {
    return 1;
  }
  std::optional<double> factor;
  if (rule.type == ParameterType::kSize) {
    factor = UnitFactor(unit, kSizeUnits);
  } else if (rule.type == ParameterType::kTime) {
    factor = UnitFactor(unit, kTimeUnits);
  }
  return factor.has_value() ? std::optional(*factor / rule.base) : std::nullopt;
}

std::optional<double> ReadNumber(const ParameterRule& rule, absl::string_view value) {
  value = absl::StripAsciiWhitespace(value);
  const size_t end = value.find_first_not_of("+-.0123456789eE");
  const size_t length = end == absl::string_view::npos ? value.size() : end;
  const std::optional<double> factor =
      FactorToBase(rule, absl::StripAsciiWhitespace(value.substr(length)));
  double number = 0;
  if (!factor.has_value() || length == 0 || !absl::SimpleAtod(value.substr(0, length), &number)) {
    return std::nullopt;
  }
  const double in_base = number * *factor;
  // PostgreSQL rounds to a whole number of base units, except for real parameters; among those with
  // a unit that is only the two cost delays, whose range ends at 100.
  const bool is_real =
      rule.type == ParameterType::kReal || (rule.type == ParameterType::kTime && rule.max <= 100);
  return is_real ? in_base : std::round(in_base);
}

std::string UnitNote(const ParameterRule& rule) {
  if (rule.type == ParameterType::kSize) {
    const absl::string_view base = rule.base == 8192   ? "blocks of 8kB"
                                   : rule.base == 1    ? "bytes"
                                   : rule.base == 1024 ? "kB"
                                                       : "MB";
    return absl::StrCat(" (", base, ", or with a unit: B, kB, MB, GB, TB)");
  }
  if (rule.type == ParameterType::kTime) {
    const absl::string_view base = rule.base == 1 ? "ms" : rule.base == 1'000 ? "s" : "min";
    return absl::StrCat(" (", base, ", or with a unit: us, ms, s, min, h, d)");
  }
  return "";
}

std::string FormatLimit(double limit) {
  return std::floor(limit) == limit && std::abs(limit) < 1e15
             ? absl::StrCat(static_cast<int64_t>(limit))
             : absl::StrCat(limit);
}

absl::Status CheckNumber(const ParameterRule& rule, absl::string_view value) {
  const std::optional<double> number = ReadNumber(rule, value);
  if (number.has_value() && *number >= rule.min && *number <= rule.max) {
    return absl::OkStatus();
  }
  return Refuse(rule.name, value,
                absl::StrCat("Allowed: ", FormatLimit(rule.min), " to ", FormatLimit(rule.max),
                             UnitNote(rule), "."));
}

absl::Status CheckEnum(const ParameterRule& rule, absl::string_view value) {
  const std::vector<std::string> words = absl::StrSplit(rule.words, ',');
  if (std::find(words.begin(), words.end(), absl::AsciiStrToLower(value)) != words.end()) {
    return absl::OkStatus();
  }
  return Refuse(rule.name, value, AllowedHint(value, words));
}

absl::Status CheckBool(const ParameterRule& rule, absl::string_view value) {
  const std::string word = absl::AsciiStrToLower(value);
  if (std::find(kBoolWords.begin(), kBoolWords.end(), word) != kBoolWords.end()) {
    return absl::OkStatus();
  }
  return Refuse(rule.name, value, "Allowed: on, off.");
}

// Names without a path only: a path could load code that no package installed.
absl::Status CheckLibraries(absl::string_view name, absl::string_view value) {
  for (const absl::string_view part : absl::StrSplit(value, ',')) {
    const absl::string_view library = absl::StripAsciiWhitespace(part);
    const bool good = std::all_of(library.begin(), library.end(), [](char c) {
      return absl::ascii_isalnum(c) || c == '_' || c == '-';
    });
    if (!good || (library.empty() && !value.empty())) {
      return Refuse(name, value, "Write library names without a path, separated by commas.");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUnknown(absl::string_view name) {
  // A dot marks an extension's parameter.
  if (name.size() < kTypoNameMin || absl::StrContains(name, ".")) {
    return absl::OkStatus();
  }
  for (const ParameterRule& rule : ParameterTable()) {
    if (EditDistance(name, rule.name) <= kTypoDistanceMax) {
      return WithInfo(
          absl::InvalidArgumentError(absl::StrCat("unknown parameter \"", name, "\"")),
          ErrorInfo{"invalid-parameter", "", absl::StrCat("Did you mean \"", rule.name, "\"?")});
    }
  }
  return absl::OkStatus();
}

absl::Status CheckValueOf(const ParameterRule& rule, absl::string_view value) {
  switch (rule.type) {
    case ParameterType::kBool:
      return CheckBool(rule, value);
    case ParameterType::kEnum:
      return CheckEnum(rule, value);
    case ParameterType::kInteger:
    case ParameterType::kReal:
    case ParameterType::kSize:
    case ParameterType::kTime:
      return CheckNumber(rule, value);
  }
  return absl::OkStatus();
}

}  // namespace

bool IsOwnedParameter(absl::string_view name) {
  return name == "ssl" || absl::EndsWith(name, "_command") ||
         std::find(kOwned.begin(), kOwned.end(), name) != kOwned.end() ||
         std::any_of(kOwnedPrefixes.begin(), kOwnedPrefixes.end(),
                     [name](absl::string_view prefix) { return absl::StartsWith(name, prefix); });
}

absl::Status CheckParameter(absl::string_view name, absl::string_view value) {
  if (absl::Status status = CheckParameterName(name); !status.ok()) {
    return status;
  }
  if (IsOwnedParameter(name)) {
    return WithInfo(
        absl::InvalidArgumentError(absl::StrCat("parameter \"", name, "\" belongs to pgmahout")),
        ErrorInfo{"owned-parameter", "",
                  "Leave it out: pgmahout sets it itself, or it could run commands on the VM."});
  }
  const bool has_control =
      std::any_of(value.begin(), value.end(), [](char c) { return absl::ascii_iscntrl(c) != 0; });
  if (has_control || value.size() > kValueBytesMax) {
    return WithHint(absl::InvalidArgumentError(absl::StrCat("invalid value for ", name)),
                    "Use at most 1024 bytes without control characters.");
  }
  if (std::find(kLibraryLists.begin(), kLibraryLists.end(), name) != kLibraryLists.end()) {
    return CheckLibraries(name, value);
  }
  const ParameterRule* const rule = FindParameterRule(name);
  return rule == nullptr ? CheckUnknown(name) : CheckValueOf(*rule, value);
}

std::optional<double> ParameterNumber(const std::map<std::string, std::string>& parameters,
                                      absl::string_view name) {
  const auto it = parameters.find(std::string(name));
  const ParameterRule* const rule = FindParameterRule(name);
  if (it == parameters.end() || rule == nullptr) {
    return std::nullopt;
  }
  return ReadNumber(*rule, it->second);
}

}  // namespace pgmahout
