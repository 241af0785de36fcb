// SPDX-License-Identifier: Apache-2.0
// Where WAL ends that no server reads any more, record by record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "common/pg/lsn.h"

namespace pgmahout::agent {

// Where the segment named "TTTTTTTTLLLLLLLLSSSSSSSS" of `bytes` bytes begins; nothing for other
// names.
std::optional<Lsn> StartOfSegment(absl::string_view name, uint64_t bytes);

// The size of the segments in `directory`; 0 where there are none.
uint64_t SegmentBytes(const std::string& directory);

// The file of the segment of `bytes` bytes that holds `at`.
std::string SegmentPath(const std::string& directory, uint32_t timeline, Lsn at, uint64_t bytes);

// The end of the last whole record of `timeline` in the segments of `wal_directory`, following the
// records from `start` (common/pg/wal_records.h), which must be where one begins: a checkpoint, or
// a point where a timeline was left. `start` itself if there is none.
Lsn EndOfWal(const std::string& wal_directory, uint32_t timeline, Lsn start);

}  // namespace pgmahout::agent
