// SPDX-License-Identifier: Apache-2.0
// GuardFeed: tells pgmahout-guard until when PostgreSQL may run here as a primary, and sees to it
// that a guard runs. What the guard does when the agent is stopped, frozen or gone is its own
// affair.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "agent/guard/guard_file.h"
#include "common/base/clock.h"
#include "common/base/event_loop.h"

namespace pgmahout::agent {

struct GuardConfig {
  std::string program;     // path of pgmahout-guard; empty: none runs here, and nothing is fed
  bool starts_it = false;  // direct control: nobody else starts it
  std::string directory;   // absolute; holds the order file, the report and the log
};

// Used on the loop; what may block runs on a worker.
class GuardFeed {
 public:
  GuardFeed(const Clock& clock, GuardConfig config);

  // `order` is in force when this returns OK; a renewal that moves the deadline by less than a
  // quarter of a second is left out. Call it before PostgreSQL may write.
  absl::Status Feed(const guard::GuardOrder& order);

  // Looks after the guard about once a second; call it as often as you like.
  void LookAfter();

  // Whether the last look found a guard that runs. True where none is wanted.
  bool alive() const { return alive_; }

 private:
  void Look();
  void TellOfReport();

  const Clock& clock_;
  const GuardConfig config_;
  const std::string order_file_, report_file_;
  std::optional<guard::GuardFile> file_;
  guard::GuardOrder last_;
  bool written_ = false;
  BootTime looked_at_;
  std::atomic<bool> looking_{false};
  std::atomic<bool> alive_{true};
  bool complained_ = false;         // on the worker
  std::optional<BootTime> struck_;  // on the worker: the report that was told last
  Worker worker_{"guard"};
};

}  // namespace pgmahout::agent
