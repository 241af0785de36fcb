// SPDX-License-Identifier: Apache-2.0
#include "common/base/clock.h"

#include <time.h>

#include <array>
#include <fstream>

#include "absl/strings/str_format.h"
#include "common/base/check.h"

namespace pgmahout {
namespace {

int64_t ReadMilliseconds(clockid_t id) {
  timespec now{};
  PGM_CHECK(clock_gettime(id, &now) == 0);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

class KernelClock : public Clock {
 public:
  BootTime Now() const override {
    return BootTime::FromMilliseconds(ReadMilliseconds(CLOCK_BOOTTIME));
  }

  int64_t WallMilliseconds() const override { return ReadMilliseconds(CLOCK_REALTIME); }
};

}  // namespace

const Clock& SystemClock() {
  static const KernelClock* const clock = new KernelClock;
  return *clock;
}

std::string BootId() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  return id;
}

std::string FormatWallTime(int64_t wall_milliseconds) {
  const time_t seconds = static_cast<time_t>(wall_milliseconds / 1000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  return absl::StrFormat("%s.%03dZ", text.data(), static_cast<int>(wall_milliseconds % 1000));
}

}  // namespace pgmahout
