// SPDX-License-Identifier: Apache-2.0
#include "agent/core/disk_trend.h"

namespace pgmahout::agent {
namespace {

constexpr Duration kSampleEvery{15'000};
constexpr Duration kWindow{15 * 60'000};
constexpr Duration kSeenAtLeast{2 * 60'000};
constexpr Duration kWorthTelling{24 * 3600 * 1000};

}  // namespace

void DiskTrend::Take(uint64_t free_bytes, uint64_t total_bytes, BootTime now) {
  if (total_bytes != total_bytes_) {
    samples_.clear();  // another disk, or it was enlarged
    total_bytes_ = total_bytes;
  }
  if (total_bytes == 0) {
    return;
  }
  last_ = Sample{now, free_bytes};
  if (samples_.empty() || now - samples_.back().at >= kSampleEvery) {
    samples_.push_back(last_);
  }
  while (now - samples_.front().at > kWindow) {
    samples_.pop_front();
  }
}

std::optional<Duration> DiskTrend::full_in() const {
  if (samples_.empty()) {
    return std::nullopt;
  }
  const Sample& first = samples_.front();
  const Duration seen = last_.at - first.at;
  if (seen < kSeenAtLeast || first.free_bytes <= last_.free_bytes) {
    return std::nullopt;
  }
  // In KiB, so that no product of bytes and milliseconds runs over.
  const uint64_t filled = (first.free_bytes - last_.free_bytes) / 1024 + 1;
  const uint64_t milliseconds =
      last_.free_bytes / 1024 * static_cast<uint64_t>(seen.count()) / filled;
  if (milliseconds > static_cast<uint64_t>(kWorthTelling.count())) {
    return std::nullopt;
  }
  return Duration{static_cast<int64_t>(milliseconds)};
}

}  // namespace pgmahout::agent
