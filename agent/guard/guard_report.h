// SPDX-License-Identifier: Apache-2.0
// The report file: what the guard did when the last deadline passed. Written by the guard, read by
// the agent and by people. Replaced whole. On a tmpfs no hung disk can hold up the guard that
// writes it; elsewhere it is still there after a boot.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"

namespace pgmahout::guard {

struct GuardReport {
  std::string boot_id;  // the BootTimes below belong to this boot
  std::string data_directory;
  uint64_t epoch = 0;
  BootTime deadline;
  BootTime struck_at;                // when the guard began to kill, or saw that nothing ran
  int64_t struck_wall_ms = 0;        // the same for people: milliseconds since the Unix epoch
  std::optional<BootTime> clear_at;  // when it first saw no process any more; none: not yet
  uint64_t killed = 0;               // processes, those that showed up later included
  uint64_t left = 0;                 // processes that were there when this was written
  bool used_cgroup = false;          // cgroup.kill was used as well as signals
  std::string problem;               // why it could not kill; empty: none

  // How late the guard began. Never negative.
  Duration Late() const { return struck_at - deadline; }

  friend bool operator==(const GuardReport&, const GuardReport&) = default;
};

// Whole or not at all; not fsynced.
absl::Status WriteGuardReport(const std::string& path, const GuardReport& report);

// NotFound if no guard has written one, DataLoss if it is damaged.
absl::StatusOr<GuardReport> ReadGuardReport(const std::string& path);

}  // namespace pgmahout::guard
