// SPDX-License-Identifier: Apache-2.0
// Walks the records of write-ahead log, page by page. Pure: where the pages come from is the
// caller's.
//
// The layout is PostgreSQL's (access/xlog_internal.h, access/xlogrecord.h), the same since 9.5, in
// the byte order of the machine that wrote it, which is ours. Records are chained by the position
// of the one before, so that what a recycled segment still holds is not taken for WAL.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "absl/strings/string_view.h"
#include "common/pg/lsn.h"

namespace pgmahout {

inline constexpr size_t kWalPageBytes = 8192;

using WalPage = std::array<char, kWalPageBytes>;

struct WalRecord {
  Lsn begin;
  Lsn end;  // behind its last byte, not aligned
  // XLOG_SWITCH: nothing of its segment behind it is read, and the next record begins in the next
  // one.
  bool is_switch = false;
};

class WalRecords {
 public:
  // Reads the page that begins at `at`; false: there is none.
  using ReadPage = std::function<bool(Lsn at, WalPage* page)>;

  // Pages of a later timeline than `timeline` are none of this WAL.
  WalRecords(uint32_t timeline, ReadPage read) : timeline_(timeline), read_(std::move(read)) {}

  // The record at `start`, which is where one begins, or the page header before it. Nothing unless
  // a whole one with the right check sum is there that follows the one at `previous` (0/0: whatever
  // it follows).
  std::optional<WalRecord> At(Lsn start, Lsn previous);

  // Where the first record begins that begins on the page at `page` or later: behind what is left
  // there of one that began before.
  std::optional<Lsn> FirstFrom(Lsn page);

 private:
  std::optional<Lsn> Enter(Lsn at, uint32_t remaining);
  bool Load(Lsn page);

  const uint32_t timeline_;
  const ReadPage read_;
  Lsn loaded_;  // the page in page_
  WalPage page_{};
};

// The pages of `segment`, which begins at `start` and outlives what is returned.
WalRecords::ReadPage PagesOf(absl::string_view segment, Lsn start);

// Records begin at multiples of 8 bytes.
constexpr Lsn WalAligned(Lsn lsn) {
  return Lsn{(lsn.value + 7) / 8 * 8};
}

}  // namespace pgmahout
