// SPDX-License-Identifier: Apache-2.0
// Small state files as text: "name=value" lines, the last one a check sum of the others. A person
// can read them, and a reader knows half a file or a flipped bit when it sees one.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pgmahout::guard {

using SealedLines = std::map<std::string, std::string>;

// Neither names nor values may hold a line break.
std::string Seal(const SealedLines& lines);

// DataLoss if the check sum is missing or does not match.
absl::StatusOr<SealedLines> Unseal(absl::string_view text);

// DataLoss if the line is missing or is no number.
absl::StatusOr<int64_t> NumberIn(const SealedLines& lines, const std::string& name);
absl::StatusOr<uint64_t> UnsignedIn(const SealedLines& lines, const std::string& name);

// DataLoss if the line is missing.
absl::StatusOr<std::string> TextIn(const SealedLines& lines, const std::string& name);

}  // namespace pgmahout::guard
