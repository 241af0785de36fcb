// SPDX-License-Identifier: Apache-2.0
// Daemon: the loop that observes, asks Next(), carries the step out and reports. It owns all state;
// steps and observations run on workers and come back as tasks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "agent/core/disk_trend.h"
#include "agent/core/orders.h"
#include "agent/core/reconciler.h"
#include "agent/core/stream_watch.h"
#include "agent/core/witness.h"
#include "agent/daemon/guard_feed.h"
#include "agent/daemon/primary_visits.h"
#include "agent/daemon/snapshot.h"
#include "agent/link/link.h"
#include "agent/postgres/instance.h"
#include "common/base/clock.h"
#include "common/base/event_loop.h"

namespace pgmahout::agent {

struct DaemonConfig {
  std::string state_dir;
  ConfigContext context;
  bool names_data_directory = false;  // the configuration is not in the data directory
  std::string agent_version;
  std::string ca_file;  // of this node; a witness trusts the primary's certificate by it
  GuardConfig guard;
  Duration observe_period{1'000};
  Duration busy_period{100};    // while something is under way
  Duration hurried_period{30};  // while writes wait for it
  Duration sql_deadline{1'000};
};

class Daemon {
 public:
  Daemon(EventLoop& loop, const Clock& clock, Instance& instance, Link& link, DaemonConfig config);
  ~Daemon();

  // Reads what was remembered, finds a server that runs already, then connects. An error means that
  // the agent must not run.
  absl::Status Start();

  // Called on the loop after every observation and every change.
  void OnSnapshot(std::function<void(const Snapshot&)> listener);

 private:
  void Tick();
  void ObserveSoon();
  void Observed(Observation observation);
  void TrackReceiver(BootTime before);
  void OrderArrived(Received received);
  void Decide();
  void Begin(Step step);
  void LogStep(const Step& step, bool changed) const;
  void BeginFencing(const Step& step);
  absl::Status FeedGuard(const World& world, const Step& step);
  absl::Status Remember(const Memory& memory);
  void StepEnded(const Step& step, const absl::Status& status);
  void ForgetFailure();
  // Sends a report if there is news, or if a heartbeat is due.
  void Tell(bool heartbeat_is_due);
  void WatchPostmaster();
  World MakeWorld() const;
  bool InBackoff(const Step& step) const;
  bool IsWitness() const;
  bool IsBusy() const;
  bool Hurries() const;
  Duration HeartbeatPeriod() const;
  Duration LookPeriod() const;  // between two observations

  EventLoop& loop_;
  const Clock& clock_;
  Instance& instance_;
  Link& link_;
  const DaemonConfig config_;

  // What Next() looks at.
  Memory memory_;
  Orders orders_;
  Witnesses witnesses_;
  DiskTrend disk_trend_;
  Observation observation_;
  StreamWatch stream_watch_;
  std::string receiver_message_;  // as last seen
  std::optional<BootTime> receiver_heard_at_;

  bool connected_ = false;
  bool observing_ = false;
  bool observe_again_ = false;
  bool observed_once_ = false;
  // Counts begins and ends of steps: an observation that was begun before the last of them shows a
  // world that is gone, and no step may start from it.
  uint64_t changes_ = 0;
  uint64_t observed_changes_ = 0;
  BootTime last_tick_;
  BootTime last_observation_;
  BootTime last_heartbeat_;
  std::optional<Step> running_;
  bool fencing_ = false;
  std::string progress_;
  Step last_step_;  // what Next() said last
  StepKind failed_kind_ = StepKind::kWait;
  std::string step_error_;
  BootTime retry_at_;
  Duration backoff_{0};
  pgmahout::Report last_report_;
  uint64_t steps_run_ = 0;
  uint64_t steps_failed_ = 0;
  std::function<void(const Snapshot&)> listener_;

  GuardFeed guard_;
  PrimaryVisits visits_;
  Worker observer_{"observer"};
  Worker stepper_{"stepper"};
  Worker fencer_{"fencer"};
  std::jthread watcher_;
};

}  // namespace pgmahout::agent
