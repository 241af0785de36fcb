// SPDX-License-Identifier: Apache-2.0
// Time as the project uses it: BootTime for every decision, wall time only for people.
//
// BootTime counts CLOCK_BOOTTIME (it runs on while the VM sleeps, and no NTP step moves it). The
// type has no now(): decision code gets the time as an argument, adapters get a Clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pgmahout {

using Duration = std::chrono::milliseconds;

// A point on this machine's boot clock, in milliseconds since boot. Not comparable across machines.
class BootTime {
 public:
  constexpr BootTime() = default;

  static constexpr BootTime FromMilliseconds(int64_t milliseconds) {
    return BootTime(milliseconds);
  }

  constexpr int64_t milliseconds() const { return milliseconds_; }

  friend constexpr auto operator<=>(BootTime, BootTime) = default;

  friend constexpr BootTime operator+(BootTime t, Duration d) {
    return BootTime(t.milliseconds_ + d.count());
  }

  friend constexpr BootTime operator-(BootTime t, Duration d) {
    return BootTime(t.milliseconds_ - d.count());
  }

  friend constexpr Duration operator-(BootTime a, BootTime b) {
    return Duration(a.milliseconds_ - b.milliseconds_);
  }

 private:
  explicit constexpr BootTime(int64_t milliseconds) : milliseconds_(milliseconds) {}

  int64_t milliseconds_ = 0;
};

// Where adapters read the time. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual BootTime Now() const = 0;
  // Milliseconds since the Unix epoch; for certificates and for what people read.
  virtual int64_t WallMilliseconds() const = 0;
};

// The real clocks of this machine. Never destroyed.
const Clock& SystemClock();

// The kernel's boot id: changes with every boot, so a BootTime stored beside it can be trusted or
// thrown away. Empty if the kernel does not tell.
std::string BootId();

// "2026-11-21T05:16:08.123Z" for milliseconds since the Unix epoch.
std::string FormatWallTime(int64_t wall_milliseconds);

}  // namespace pgmahout
