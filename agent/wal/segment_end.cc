// SPDX-License-Identifier: Apache-2.0
#include "agent/wal/segment_end.h"

#include "common/pg/wal_records.h"

namespace pgmahout::wal {

std::optional<uint64_t> EndOfSwitch(const WalName& name, absl::string_view content) {
  if (!CheckSegment(name, content.substr(0, kFirstPageBytes), content.size()).ok()) {
    return std::nullopt;
  }
  const Lsn start{(uint64_t{name.log} << 32) + uint64_t{name.segment} * content.size()};
  WalRecords records(name.timeline, PagesOf(content, start));
  std::optional<Lsn> at = records.FirstFrom(start);
  Lsn previous;
  while (at.has_value()) {
    const std::optional<WalRecord> record = records.At(*at, previous);
    if (!record.has_value()) {
      return std::nullopt;
    }
    if (record->is_switch) {
      return record->end.value - start.value;
    }
    previous = record->begin;
    at = WalAligned(record->end);
  }
  return std::nullopt;
}

}  // namespace pgmahout::wal
