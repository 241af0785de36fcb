// SPDX-License-Identifier: Apache-2.0
// Names of files that PostgreSQL archives, and what a segment's first page says of itself.
//
// PostgreSQL docs, "Continuous Archiving and Point-in-Time Recovery"; access/xlog_internal.h for
// the layout of page headers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pgmahout::wal {

enum class NameKind { kSegment, kPartial, kHistory, kBackup };

struct WalName {
  NameKind kind = NameKind::kSegment;
  uint32_t timeline = 0;
  uint32_t log = 0;      // the LSN's upper 32 bits
  uint32_t segment = 0;  // within the log

  friend bool operator==(const WalName&, const WalName&) = default;
};

// Nothing for a name that no archive should hold.
std::optional<WalName> ParseWalName(absl::string_view name);

std::string SegmentName(uint32_t timeline, uint32_t log, uint32_t segment);

// The segment after (log, segment): segments of one log are numbered up to 4 GiB / size.
void NextSegment(uint64_t segment_bytes, uint32_t* log, uint32_t* segment);

inline constexpr uint64_t kSegmentBytesMax = uint64_t{1} << 30;

// Bytes of a first page that CheckSegment needs.
inline constexpr size_t kFirstPageBytes = 40;

// Whether a file of `file_bytes` that begins with `first_page` is the whole segment `name` says.
// DataLoss tells what does not fit.
absl::Status CheckSegment(const WalName& name, absl::string_view first_page, uint64_t file_bytes);

}  // namespace pgmahout::wal
