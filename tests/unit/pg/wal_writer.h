// SPDX-License-Identifier: Apache-2.0
// Write-ahead log for tests: records as PostgreSQL lays them out, in segments 1 and 2 of timeline
// 1, which have the smallest size that initdb allows.
#pragma once

#include <cstdint>
#include <string>

#include "common/pg/lsn.h"
#include "common/pg/wal_records.h"

namespace pgmahout {

inline constexpr uint64_t kSegment = uint64_t{1} << 20;

class WalWriter {
 public:
  WalWriter();
  ~WalWriter();
  WalWriter(const WalWriter&) = delete;
  WalWriter& operator=(const WalWriter&) = delete;

  // A record of `length` bytes; where it begins.
  Lsn Add(uint32_t length, uint8_t info = 'r', uint8_t resource_manager = 'r');
  // A switch record: the next one begins in the next segment.
  Lsn Switch();
  // What is left of a record that began in the segment before; first of all.
  void AddRest(uint32_t length);

  Lsn end() const { return Lsn{at_}; }

  // Both segments.
  std::string& bytes() { return bytes_; }

  // Of the record chain that the next Add() goes on with.
  void Break() { previous_ = 4711; }

  // Writes both segments to a directory, which goes with this object.
  const std::string& Store();

 private:
  void PassHeader(uint32_t remaining);
  void Put(const std::string& record);

  std::string directory_;
  std::string bytes_;
  uint64_t at_ = kSegment;
  uint64_t previous_ = 0;
};

}  // namespace pgmahout
