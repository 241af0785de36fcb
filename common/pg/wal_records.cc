// SPDX-License-Identifier: Apache-2.0
#include "common/pg/wal_records.h"

#include <algorithm>
#include <boost/crc.hpp>
#include <cstddef>
#include <cstring>

namespace pgmahout {
namespace {

constexpr uint64_t kShortHeader = 24;
constexpr uint64_t kLongHeader = 40;
constexpr uint16_t kFirstIsContinued = 0x0001;  // XLP_FIRST_IS_CONTRECORD
constexpr uint16_t kHasLongHeader = 0x0002;     // XLP_LONG_HEADER
constexpr uint32_t kRecordMost = uint32_t{1} << 30;
constexpr uint8_t kRmXlog = 0;         // RM_XLOG_ID
constexpr uint8_t kXlogSwitch = 0x40;  // XLOG_SWITCH
constexpr uint8_t kInfoOfResourceManager = 0xF0;

// XLogPageHeaderData.
struct PageHeader {
  uint16_t magic;
  uint16_t info;
  uint32_t timeline;
  uint64_t address;
  uint32_t remaining;  // of a record that began on an earlier page
};

// XLogRecord.
struct RecordHeader {
  uint32_t length;
  uint32_t transaction;
  uint64_t previous;
  uint8_t info;
  uint8_t resource_manager;
  uint16_t padding;
  uint32_t checksum;  // of what follows the header, then of the header before this field
};

// CRC-32C, as in pg_crc32c.h.
using Checksum = boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true>;

PageHeader HeaderOf(const WalPage& page) {
  PageHeader header{};
  std::memcpy(&header, page.data(), sizeof header);
  return header;
}

uint64_t RoomBehind(Lsn at) {
  return kWalPageBytes - at.value % kWalPageBytes;
}

}  // namespace

std::optional<WalRecord> WalRecords::At(Lsn start, Lsn previous) {
  std::optional<Lsn> at = Enter(start, /*remaining=*/0);
  if (!at.has_value()) {
    return std::nullopt;
  }
  const Lsn begin = *at;
  RecordHeader header{};
  auto* const header_bytes = reinterpret_cast<char*>(&header);
  // Records are aligned, so at least the length lies on one page.
  std::memcpy(&header.length, page_.data() + begin.value % kWalPageBytes, sizeof header.length);
  const uint32_t length = header.length;
  if (length < sizeof header || length > kRecordMost) {
    return std::nullopt;
  }
  Checksum checksum;
  uint32_t done = 0;
  while (done < length) {
    const auto part = static_cast<uint32_t>(std::min<uint64_t>(RoomBehind(*at), length - done));
    const char* const bytes = page_.data() + at->value % kWalPageBytes;
    const size_t known = std::min<size_t>(done, sizeof header);
    const size_t of_header = std::min<size_t>(part, sizeof header - known);
    std::copy_n(bytes, of_header, header_bytes + known);
    checksum.process_bytes(bytes + of_header, part - of_header);
    done += part;
    at = Lsn{at->value + part};
    if (done < length) {
      at = Enter(*at, length - done);
      if (!at.has_value()) {
        return std::nullopt;
      }
    }
  }
  checksum.process_bytes(header_bytes, offsetof(RecordHeader, checksum));
  if (checksum.checksum() != header.checksum ||
      (previous.valid() && header.previous != previous.value)) {
    return std::nullopt;
  }
  return WalRecord{
      begin, *at,
      header.resource_manager == kRmXlog && (header.info & kInfoOfResourceManager) == kXlogSwitch};
}

std::optional<Lsn> WalRecords::FirstFrom(Lsn page) {
  if (!Load(page)) {
    return std::nullopt;
  }
  const PageHeader first = HeaderOf(page_);
  uint64_t remaining = (first.info & kFirstIsContinued) != 0 ? first.remaining : 0;
  std::optional<Lsn> at = Enter(page, static_cast<uint32_t>(remaining));
  while (at.has_value() && remaining > 0) {
    const uint64_t part = std::min(RoomBehind(*at), remaining);
    remaining -= part;
    at = Lsn{at->value + part};
    if (remaining > 0) {
      at = Enter(*at, static_cast<uint32_t>(remaining));
    }
  }
  return at.has_value() ? std::optional(WalAligned(*at)) : std::nullopt;
}

// Loads the page of `at` and steps over its header. Nothing where the page is not of this WAL.
std::optional<Lsn> WalRecords::Enter(Lsn at, uint32_t remaining) {
  const Lsn page{at.value / kWalPageBytes * kWalPageBytes};
  if (page != loaded_ && !Load(page)) {
    return std::nullopt;
  }
  if (at != page) {
    return at;
  }
  const PageHeader header = HeaderOf(page_);
  const bool continued = (header.info & kFirstIsContinued) != 0;
  if (continued != (remaining > 0) || (continued && header.remaining != remaining)) {
    return std::nullopt;
  }
  return Lsn{at.value + ((header.info & kHasLongHeader) != 0 ? kLongHeader : kShortHeader)};
}

bool WalRecords::Load(Lsn page) {
  loaded_ = Lsn{};
  if (!read_(page, &page_)) {
    return false;
  }
  const PageHeader header = HeaderOf(page_);
  if ((header.magic & 0xFF00) != 0xD100 || header.address != page.value || header.timeline == 0 ||
      header.timeline > timeline_) {
    return false;
  }
  loaded_ = page;
  return true;
}

WalRecords::ReadPage PagesOf(absl::string_view segment, Lsn start) {
  return [segment, start](Lsn at, WalPage* page) {
    const uint64_t offset = at.value - start.value;
    if (at < start || offset + page->size() > segment.size()) {
      return false;
    }
    std::copy_n(segment.data() + offset, page->size(), page->data());
    return true;
  };
}

}  // namespace pgmahout
