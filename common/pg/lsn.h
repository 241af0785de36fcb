// SPDX-License-Identifier: Apache-2.0
// Lsn: a position in the write-ahead log, in bytes (PostgreSQL docs, "pg_lsn Type").
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace pgmahout {

struct Lsn {
  uint64_t value = 0;  // 0 is no position: PostgreSQL's InvalidXLogRecPtr

  constexpr bool valid() const { return value != 0; }

  friend constexpr auto operator<=>(Lsn, Lsn) = default;
};

// "1A/6F0012C8"; "0/0" for no position.
std::string FormatLsn(Lsn lsn);

// The reverse of FormatLsn; nothing for text that is no LSN.
std::optional<Lsn> ParseLsn(absl::string_view text);

// Bytes from `behind` to `ahead`; 0 where `behind` is not behind.
constexpr uint64_t BytesBetween(Lsn behind, Lsn ahead) {
  return ahead.value > behind.value ? ahead.value - behind.value : 0;
}

}  // namespace pgmahout
