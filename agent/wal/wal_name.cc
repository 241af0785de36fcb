// SPDX-License-Identifier: Apache-2.0
#include "agent/wal/wal_name.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pgmahout::wal {
namespace {

constexpr size_t kSegmentNameLength = 24;
constexpr size_t kHistoryPrefixLength = 8;
constexpr uint16_t kLongHeader = 0x0002;  // XLP_LONG_HEADER
constexpr uint64_t kSegmentBytesMin = uint64_t{1} << 20;

bool IsUpperHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); });
}

uint32_t Hex(absl::string_view text) {
  uint32_t value = 0;
  return absl::SimpleHexAtoi(text, &value) ? value : 0;
}

// XLogLongPageHeaderData, in the byte order of the machine that wrote it, which is ours.
struct FirstPage {
  uint16_t info = 0;
  uint32_t timeline = 0;
  uint64_t address = 0;
  uint32_t segment_bytes = 0;
};

template <typename T>
T ReadAt(absl::string_view page, size_t offset) {
  T value{};
  std::memcpy(&value, page.data() + offset, sizeof(value));
  return value;
}

FirstPage ReadFirstPage(absl::string_view page) {
  return FirstPage{ReadAt<uint16_t>(page, 2), ReadAt<uint32_t>(page, 4), ReadAt<uint64_t>(page, 8),
                   ReadAt<uint32_t>(page, 32)};
}

}  // namespace

std::optional<WalName> ParseWalName(absl::string_view name) {
  if (name.size() == kHistoryPrefixLength + 8 && absl::EndsWith(name, ".history") &&
      IsUpperHex(name.substr(0, kHistoryPrefixLength))) {
    return WalName{NameKind::kHistory, Hex(name.substr(0, 8)), 0, 0};
  }
  if (name.size() < kSegmentNameLength || !IsUpperHex(name.substr(0, kSegmentNameLength))) {
    return std::nullopt;
  }
  WalName parsed{NameKind::kSegment, Hex(name.substr(0, 8)), Hex(name.substr(8, 8)),
                 Hex(name.substr(16, 8))};
  const absl::string_view rest = name.substr(kSegmentNameLength);
  if (rest.empty()) {
    return parsed;
  }
  if (rest == ".partial") {
    parsed.kind = NameKind::kPartial;
    return parsed;
  }
  // 000000010000000000000002.00000028.backup
  if (rest.size() == 16 && rest[0] == '.' && IsUpperHex(rest.substr(1, 8)) &&
      absl::EndsWith(rest, ".backup")) {
    parsed.kind = NameKind::kBackup;
    return parsed;
  }
  return std::nullopt;
}

std::string SegmentName(uint32_t timeline, uint32_t log, uint32_t segment) {
  return absl::StrFormat("%08X%08X%08X", timeline, log, segment);
}

void NextSegment(uint64_t segment_bytes, uint32_t* log, uint32_t* segment) {
  const uint64_t per_log = (uint64_t{1} << 32) / segment_bytes;
  if (*segment + uint64_t{1} < per_log) {
    ++*segment;
  } else {
    *segment = 0;
    ++*log;
  }
}

absl::Status CheckSegment(const WalName& name, absl::string_view first_page, uint64_t file_bytes) {
  if (first_page.size() < kFirstPageBytes) {
    return absl::DataLossError(absl::StrCat("it has only ", file_bytes, " bytes"));
  }
  const FirstPage page = ReadFirstPage(first_page);
  const uint64_t bytes = page.segment_bytes;
  if ((page.info & kLongHeader) == 0 || !std::has_single_bit(bytes) || bytes < kSegmentBytesMin ||
      bytes > kSegmentBytesMax) {
    return absl::DataLossError("it does not begin with the first page header of a WAL segment");
  }
  if (file_bytes != bytes) {
    return absl::DataLossError(
        absl::StrCat("it has ", file_bytes, " bytes; segments of this server have ", bytes));
  }
  const uint64_t address = (uint64_t{name.log} << 32) + uint64_t{name.segment} * bytes;
  if (page.address != address) {
    return absl::DataLossError(absl::StrFormat("it holds WAL from %X/%X on, its name says %X/%X",
                                               page.address >> 32, page.address & 0xffffffffU,
                                               address >> 32, address & 0xffffffffU));
  }
  // The first segment of a new timeline is copied from the old one up to the switch, so its first
  // page may say an older timeline, never a newer one.
  if (page.timeline == 0 || page.timeline > name.timeline) {
    return absl::DataLossError(absl::StrCat("it holds WAL of timeline ", page.timeline,
                                            ", its name says ", name.timeline));
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::wal
