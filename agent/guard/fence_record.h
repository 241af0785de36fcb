// SPDX-License-Identifier: Apache-2.0
// What one fence did so far, and when it is worth a line in the log and a new report file: when the
// server is gone, when it does not die, when it cannot be killed, when something showed up again.
//
// Pure: the loop writes the report that is due. Not thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "agent/guard/guard_file.h"
#include "agent/guard/guard_report.h"
#include "agent/guard/server_killer.h"
#include "common/base/clock.h"

namespace pgmahout::guard {

class FenceRecord {
 public:
  // Begins at the first look after the deadline of `order`.
  FenceRecord(const GuardOrder& order, std::string boot_id, BootTime now, int64_t wall_ms);

  bool IsFor(const GuardOrder& order) const;

  // `earlier` is what a guard reported before this one was started. If it is about this very fence,
  // it goes on from there: the evidence must not be replaced by "nothing ran, an hour late".
  void Continue(const GuardReport& earlier);

  // After a round of killing that began at `now`.
  void OnRound(const KillRound& round, BootTime now);
  // Instead of a round: nothing could be killed.
  void OnRefusal(const absl::Status& why);

  // The report, if it says something that the one before did not.
  std::optional<GuardReport> TakeReport();

 private:
  GuardReport report_;
  std::optional<GuardReport> taken_;
  std::optional<BootTime> dying_since_;  // every round since then found some
  bool is_due_ = false;
};

}  // namespace pgmahout::guard
