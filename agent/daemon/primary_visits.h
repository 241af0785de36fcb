// SPDX-License-Identifier: Apache-2.0
// PrimaryVisits: a witness's visits to the primary, one after the other on a thread of their own,
// so that a primary that does not answer blocks nothing.
#pragma once

#include <optional>
#include <string>

#include "agent/core/reconciler.h"
#include "agent/postgres/primary_visit.h"
#include "common/base/clock.h"
#include "common/base/event_loop.h"

namespace pgmahout::agent {

// Used on the loop.
class PrimaryVisits {
 public:
  PrimaryVisits(EventLoop& loop, const Clock& clock, std::string ca_file);

  // Begins the next visit if one is due and `world` shows a witness; else forgets the last.
  void Tend(const World& world);

  // The last that succeeded.
  const std::optional<Visit>& last() const { return last_; }

  // Why visits have failed for a while; empty: they do not.
  std::string Trouble(BootTime now) const;

 private:
  void Ended(const std::string& where, absl::StatusOr<Visit> visit);

  EventLoop& loop_;
  const Clock& clock_;
  const std::string ca_file_;
  PrimaryVisit visit_;
  bool under_way_ = false;
  BootTime begun_;
  std::optional<Visit> last_;
  std::optional<BootTime> failing_since_;
  std::string error_;
  Worker worker_{"visitor"};  // last: its thread uses what is above
};

}  // namespace pgmahout::agent
