// SPDX-License-Identifier: Apache-2.0
// Durations and sizes as people write them: "500ms", "3s", "1MiB".
//
// Pure. A number always carries its unit; only sizes may be plain bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/base/clock.h"

namespace pgmahout {

// What ParseDuration and ParseSize read, as the hint of an error.
inline constexpr absl::string_view kDurationHint =
    "Write a whole number and a unit: 500ms, 3s, 1m, 2h or 1d.";
inline constexpr absl::string_view kSizeHint =
    "Write a whole number and a unit: 512kB, 16MB, 1MiB or 1GiB (1 MB is 1024 kB, as in "
    "PostgreSQL); a plain number is bytes.";

// Units ms, s, m (or min), h, d. Nothing for other text, and for more than ten years.
std::optional<Duration> ParseDuration(absl::string_view text);

// Units B, kB, KiB, MB, MiB, GB, GiB, TB, TiB, all powers of 1024. In bytes.
std::optional<uint64_t> ParseSize(absl::string_view text);

// The shortest text that ParseDuration and ParseSize read back as the same value: "90s", "1MiB".
std::string FormatDuration(Duration duration);
std::string FormatSize(uint64_t bytes);

}  // namespace pgmahout
