// SPDX-License-Identifier: Apache-2.0
// DiskTrend: when a disk will be full, at the rate at which it has been filling up lately.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "common/base/clock.h"

namespace pgmahout::agent {

class DiskTrend {
 public:
  // Takes in what was seen at `now`; 0 of 0 bytes: it could not be seen.
  void Take(uint64_t free_bytes, uint64_t total_bytes, BootTime now);

  // How long the free space lasts at the mean rate of the last quarter of an hour, so that a
  // checkpoint that removes WAL does not hide it. Nothing while less than two minutes were seen, or
  // while it would last for more than a day.
  std::optional<Duration> full_in() const;

 private:
  struct Sample {
    BootTime at;
    uint64_t free_bytes = 0;
  };

  uint64_t total_bytes_ = 0;
  std::deque<Sample> samples_;  // oldest first
  Sample last_;
};

}  // namespace pgmahout::agent
