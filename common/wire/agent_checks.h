// SPDX-License-Identifier: Apache-2.0
// Limits on what comes over the agents' stream. Private to common/wire.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pgmahout {

// At most 4 KiB. `field` names it in the error.
absl::Status CheckWireText(absl::string_view field, absl::string_view text);

// At most 256 bytes: names and versions.
absl::Status CheckWireWord(absl::string_view field, absl::string_view text);

// At most 64 entries.
absl::Status CheckWireList(absl::string_view field, int size);

// For logs and terminals: a line break or an escape sequence in there could pass for our own words.
std::string Printable(std::string text);

// Empty, or a name by CheckObjectName.
absl::Status CheckWireNameIfSet(absl::string_view field, absl::string_view name);

}  // namespace pgmahout
