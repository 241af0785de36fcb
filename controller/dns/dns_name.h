// SPDX-License-Identifier: Apache-2.0
// Host names as pgmahout publishes them: absolute, lower case, inside one zone.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pgmahout::controller {

// `text` in lower case and with its final dot. InvalidArgument unless its labels are letters,
// digits, '-' and '_', 1 to 63 of them, and the whole name fits into the 255 bytes of RFC 1035.
absl::StatusOr<std::string> NormalizeDnsName(absl::string_view text);

// Whether `name` is `zone` or below it. Both must be normalized.
bool DnsNameIsInZone(absl::string_view name, absl::string_view zone);

}  // namespace pgmahout::controller
