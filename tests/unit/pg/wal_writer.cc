// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pg/wal_writer.h"

#include <stdlib.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace pgmahout {
namespace {

using Checksum = boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true>;

}  // namespace

WalWriter::WalWriter() : bytes_(2 * kSegment, '\0') {
  std::string path = (std::filesystem::temp_directory_path() / "pgm-wal-XXXXXX").string();
  directory_ = mkdtemp(path.data());
}

WalWriter::~WalWriter() {
  std::filesystem::remove_all(directory_);
}

Lsn WalWriter::Switch() {
  const Lsn begin = Add(24, /*info=*/0x40, /*resource_manager=*/0);
  while (at_ % kSegment != 0) {  // pages of nothing, with their headers
    at_ = (at_ + kWalPageBytes - 1) / kWalPageBytes * kWalPageBytes;
    if (at_ % kSegment != 0) {
      PassHeader(0);
    }
  }
  return begin;
}

void WalWriter::AddRest(uint32_t length) {
  Put(std::string(length, 'r'));
}

const std::string& WalWriter::Store() {
  for (int i = 0; i < 2; ++i) {
    const std::string name = i == 0 ? "000000010000000000000001" : "000000010000000000000002";
    std::ofstream(directory_ + "/" + name, std::ios::binary)
        << bytes_.substr(static_cast<size_t>(i) * kSegment, kSegment);
  }
  return directory_;
}

Lsn WalWriter::Add(uint32_t length, uint8_t info, uint8_t resource_manager) {
  PassHeader(0);
  const uint64_t start = at_;
  std::string record(length, 'r');
  std::memcpy(record.data(), &length, sizeof length);
  std::memcpy(record.data() + 8, &previous_, sizeof previous_);
  record[16] = static_cast<char>(info);
  record[17] = static_cast<char>(resource_manager);
  Checksum checksum;
  checksum.process_bytes(record.data() + 24, length - 24);
  checksum.process_bytes(record.data(), 20);
  const uint32_t sum = checksum.checksum();
  std::memcpy(record.data() + 20, &sum, sizeof sum);
  previous_ = start;
  Put(record);
  return Lsn{start};
}

void WalWriter::Put(const std::string& record) {
  const auto length = static_cast<uint32_t>(record.size());
  for (uint32_t done = 0; done < length;) {
    PassHeader(length - done);
    const uint64_t part = std::min<uint64_t>(kWalPageBytes - at_ % kWalPageBytes, length - done);
    std::memcpy(&bytes_[at_ - kSegment], record.data() + done, part);
    at_ += part;
    done += static_cast<uint32_t>(part);
  }
  at_ = (at_ + 7) / 8 * 8;
}

void WalWriter::PassHeader(uint32_t remaining) {
  if (at_ % kWalPageBytes != 0) {
    return;
  }
  const bool is_long = at_ % kSegment == 0;
  const uint16_t magic = 0xD110;
  const auto info = static_cast<uint16_t>((is_long ? 0x0002 : 0) | (remaining > 0 ? 0x0001 : 0));
  const uint32_t timeline = 1;
  const auto segment_bytes = static_cast<uint32_t>(kSegment);
  char* const page = &bytes_[at_ - kSegment];
  std::memcpy(page, &magic, 2);
  std::memcpy(page + 2, &info, 2);
  std::memcpy(page + 4, &timeline, 4);
  std::memcpy(page + 8, &at_, 8);
  std::memcpy(page + 16, &remaining, 4);
  if (is_long) {
    std::memcpy(page + 32, &segment_bytes, 4);
  }
  at_ += is_long ? 40 : 24;
}

}  // namespace pgmahout
