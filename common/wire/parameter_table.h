// SPDX-License-Identifier: Apache-2.0
// The well-known configuration parameters with their types and ranges (PostgreSQL docs, "Server
// Configuration", 14 to 17; where versions differ, the widest range).
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pgmahout {

enum class ParameterType { kBool, kInteger, kReal, kSize, kTime, kEnum };

struct ParameterRule {
  absl::string_view name;
  ParameterType type;
  // kSize: bytes in the base unit; kTime: milliseconds in the base unit (0.001 for microseconds).
  // A value without a unit is in the base unit.
  double base = 1;
  double min = 0;  // both in the base unit
  double max = 0;
  absl::string_view words;  // kEnum: separated by commas
};

// Sorted by name.
const std::vector<ParameterRule>& ParameterTable();

// The entry of that name, or nullptr.
const ParameterRule* FindParameterRule(absl::string_view name);

}  // namespace pgmahout
