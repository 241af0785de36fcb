// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/daemon.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/core/adopt.h"
#include "agent/core/alone.h"
#include "agent/daemon/memory_file.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

constexpr Duration kBackoffMin{500};
constexpr Duration kBackoffMax{10'000};
constexpr Duration kKillTimeout{5'000};

// Lsn movement alone is no news; everything else is told at once.
pgmahout::Report WithoutPositions(pgmahout::Report report) {
  report.write_lsn = Lsn{};
  report.receive_lsn = Lsn{};
  report.replay_lsn = Lsn{};
  report.replay_lag_milliseconds = 0;
  report.disk_free_bytes = 0;
  report.disk_full_in.reset();
  for (Attached& standby : report.attached) {
    standby.flush_lsn = Lsn{};
    standby.replay_lsn = Lsn{};
  }
  return report;
}

// These go on where they were; logging each would drown the rest.
bool IsQuiet(const Step& step) {
  return step.kind == StepKind::kWait || step.kind == StepKind::kEnsureSlots;
}

absl::string_view NameOf(StepKind kind) {
  switch (kind) {
    case StepKind::kWait:
      return "wait";
    case StepKind::kRemember:
      return "remember";
    case StepKind::kKill:
      return "kill";
    case StepKind::kStopFast:
      return "stop";
    case StepKind::kInitialize:
      return "initdb";
    case StepKind::kConfigure:
      return "configure";
    case StepKind::kStart:
      return "start";
    case StepKind::kPromote:
      return "promote";
    case StepKind::kBaseBackup:
      return "base-backup";
    case StepKind::kRewind:
      return "rewind";
    case StepKind::kMarkStandby:
      return "mark-standby";
    case StepKind::kMarkVoter:
      return "mark-voter";
    case StepKind::kEnsureRoles:
      return "roles";
    case StepKind::kEnsureSlots:
      return "slots";
    case StepKind::kCheckpoint:
      return "checkpoint";
    case StepKind::kBackfillArchive:
      return "backfill-archive";
    case StepKind::kRemoveOldData:
      return "remove-old-data";
    case StepKind::kAdopt:
      return "adopt";
    case StepKind::kLetGo:
      return "let-go";
  }
  return "?";
}

// A step that a fencing decision must not wait for.
bool IsFencing(const Step& step) {
  return step.kind == StepKind::kKill || step.kind == StepKind::kStopFast;
}

// Whether the server may write once `step` has begun.
bool BecomesPrimary(const World& world, const Step& step) {
  return step.kind == StepKind::kPromote ||
         (step.kind == StepKind::kStart && !world.observation.data.standby_signal);
}

std::string MemoryPath(const std::string& state_dir) {
  return absl::StrCat(state_dir, "/memory");
}

std::string LeasePath(const std::string& state_dir) {
  return absl::StrCat(state_dir, "/lease");
}

}  // namespace

Daemon::Daemon(
    EventLoop& loop, const Clock& clock, Instance& instance, Link& link, DaemonConfig config)
    : loop_(loop),
      clock_(clock),
      instance_(instance),
      link_(link),
      config_(std::move(config)),
      guard_(clock, config_.guard),
      visits_(loop, clock, config_.ca_file) {}

Daemon::~Daemon() {
  instance_.CancelStep();
}

absl::Status Daemon::Start() {
  PGM_ASSIGN_OR_RETURN(memory_, LoadMemory(MemoryPath(config_.state_dir)));
  orders_.lease = LoadLease(LeasePath(config_.state_dir), BootId());
  ObserveSoon();
  loop_.Every(config_.hurried_period, [this] { Tick(); });
  watcher_ = std::jthread([this](const std::stop_token& stop) {
    bool running_before = false;
    while (!stop.stop_requested()) {
      // Returns within a millisecond of the postmaster's end.
      if (!instance_.WaitForPostmasterEnd(Duration{200})) {
        running_before = true;
      } else if (std::exchange(running_before, false)) {
        loop_.Post([this] { ObserveSoon(); });
      }
    }
  });
  return absl::OkStatus();
}

void Daemon::Tick() {
  const BootTime now = clock_.Now();
  if (!Hurries() && now - last_tick_ < config_.busy_period) {
    return;
  }
  last_tick_ = now;
  guard_.LookAfter();
  if (now - last_observation_ >= LookPeriod()) {
    ObserveSoon();
  }
  if (IsWitness()) {
    visits_.Tend(MakeWorld());
  }
  Decide();  // a deadline may have come
  Tell(now - last_heartbeat_ >= HeartbeatPeriod());
}

void Daemon::OnSnapshot(std::function<void(const Snapshot&)> listener) {
  listener_ = std::move(listener);
}

// ---- Observing ----

void Daemon::ObserveSoon() {
  if (observing_) {
    observe_again_ = true;
    return;
  }
  observing_ = true;
  observe_again_ = false;
  instance_.LookForExisting(WantsExisting(orders_.desired, memory_, observation_));
  observer_.Post([this, memory = memory_, changes = changes_] {
    const BootTime begun = clock_.Now();
    Observation observation = instance_.Observe(memory, config_.sql_deadline);
    observation.taken_at = begun;
    loop_.Post([this, observation = std::move(observation), changes]() mutable {
      observing_ = false;
      last_observation_ = clock_.Now();
      observed_changes_ = changes;
      Observed(std::move(observation));
      if (observe_again_) {
        ObserveSoon();
      }
    });
  });
}

void Daemon::Observed(Observation observation) {
  const BootTime before = observation_.taken_at;
  observation_ = std::move(observation);
  stream_watch_.Take(observation_, last_step_.kind, clock_.Now());
  observation_.not_streaming_since = stream_watch_.since();
  TrackReceiver(before);
  AttachWitness(orders_.desired, &observation_);
  witnesses_.Take(observation_);
  disk_trend_.Take(observation_.disk_free_bytes, observation_.disk_bytes, observation_.taken_at);
  observation_.disk_full_in = disk_trend_.full_in();
  const bool first = !std::exchange(observed_once_, true);
  Decide();
  Tell(first);
  if (first) {
    link_.Start([this](Received received) { OrderArrived(std::move(received)); },
                [this](bool connected) {
                  connected_ = connected;
                  Tell(false);
                });
  }
}

// Messages are told apart by the server's clock and dated by ours, so that a step of the wall clock
// makes a living upstream look silent for one look at most.
void Daemon::TrackReceiver(BootTime before) {
  if (!observation_.sql.has_value() || !observation_.sql->receiver_streaming) {
    receiver_heard_at_.reset();
    receiver_message_.clear();
  } else if (observation_.sql->receiver_message != receiver_message_) {
    receiver_message_ = observation_.sql->receiver_message;
    receiver_heard_at_ =
        observation_.taken_at - std::clamp(observation_.sql->receiver_message_age, Duration{0},
                                           std::max(observation_.taken_at - before, Duration{0}));
  }
  observation_.receiver_heard_at = receiver_heard_at_;
}

// ---- Orders ----

void Daemon::OrderArrived(Received received) {
  const Order order = received.order;
  const std::optional<Lease> lease_before = orders_.lease;
  if (!Obey(std::move(received), memory_, &orders_)) {
    LogWarning("an order is ignored: it is older than what was obeyed already, or of another store",
               {{"epoch", absl::StrCat(order.epoch)},
                {"obeyed_epoch", absl::StrCat(memory_.epoch)},
                {"incarnation", absl::StrCat(order.controller_incarnation)}});
    return;
  }
  if (orders_.lease.has_value() && orders_.lease != lease_before) {
    const absl::Status stored = StoreLease(LeasePath(config_.state_dir), BootId(), *orders_.lease);
    if (!stored.ok()) {
      LogWarning("cannot keep the lease for a restart of this agent",
                 {{"error", std::string(stored.message())}});
    }
  }
  Decide();
}

// ---- Deciding and acting ----

World Daemon::MakeWorld() const {
  World world;
  world.desired = orders_.desired;
  world.member_lsn = orders_.member_lsn;
  world.lease = orders_.lease;
  world.witnesses = witnesses_.seen();
  world.observation = observation_;
  world.observation.visit = visits_.last();
  world.memory = memory_;
  world.context = config_.context;
  if (config_.names_data_directory) {
    world.context.data_directory = instance_.DataDirectory(memory_);
  }
  world.now = clock_.Now();
  return world;
}

bool Daemon::InBackoff(const Step& step) const {
  return step.kind == failed_kind_ && clock_.Now() < retry_at_;
}

void Daemon::Decide() {
  if (!observed_once_) {
    return;
  }
  const World world = MakeWorld();
  Step step = Next(world);
  if (const absl::Status fed = FeedGuard(world, step); !fed.ok()) {
    LogError("cannot renew the guard's order", {{"error", std::string(fed.message())}});
    if (BecomesPrimary(world, step)) {
      StepEnded(step, fed);  // not without a guard that knows of it
      return;
    }
  }
  if (step.kind == StepKind::kWait) {
    ForgetFailure();  // what failed is no longer wanted
  }
  const bool changed = step.kind != last_step_.kind || step.reason != last_step_.reason;
  last_step_ = step;
  if (changed && step.blocked) {
    LogWarning(step.reason, {{"rule", step.rule}});
  }
  if (IsFencing(step) && running_.has_value() && !IsFencing(*running_)) {
    instance_.CancelStep();  // its end leads back here
  }
  if (step.kind == StepKind::kKill && running_.has_value()) {
    LogStep(step, changed);
    BeginFencing(step);
    return;
  }
  // What Kill() beside a step ends is whatever runs: nothing new may begin until it is done.
  const bool stale = observed_changes_ != changes_ || fencing_;
  if (step.kind == StepKind::kWait || running_.has_value() || stale || InBackoff(step)) {
    return;
  }
  LogStep(step, changed);
  if (step.kind == StepKind::kRemember) {
    if (const absl::Status status = Remember(step.memory); status.ok()) {
      Decide();
    } else {
      StepEnded(step, status);
    }
    return;
  }
  Begin(std::move(step));
}

// When it begins: what Next() says while another step runs may never be done.
void Daemon::LogStep(const Step& step, bool changed) const {
  if (!IsQuiet(step) && (changed || step.kind != StepKind::kKill)) {
    LogInfo(absl::StrCat("step ", NameOf(step.kind), ": ", step.reason),
            {{"rule", step.rule}, {"epoch", absl::StrCat(memory_.epoch)}});
  }
}

// The guard is armed before the server may write, and as long as it may. Standbys need none.
absl::Status Daemon::FeedGuard(const World& world, const Step& step) {
  guard::GuardOrder order;
  order.armed =
      !world.memory.cluster.empty() &&
      (RunsAsPrimary(world.observation) || world.observation.orphans ||
       BecomesPrimary(world, step) || (running_.has_value() && BecomesPrimary(world, *running_)));
  if (order.armed) {
    // Without a lease it must not run at all.
    const BootTime deadline = WriteDeadlineOf(world).value_or(world.now);
    order.data_directory = instance_.DataDirectory(world.memory);
    order.deadline = deadline - world.fence_margin / 3;
    order.epoch = world.memory.epoch;
  }
  return guard_.Feed(order);
}

// Kill() may run beside a step that hangs.
void Daemon::BeginFencing(const Step& /*step*/) {
  if (std::exchange(fencing_, true)) {
    return;
  }
  fencer_.Post([this] {
    const absl::Status status = instance_.Kill(kKillTimeout);
    loop_.Post([this, status] {
      fencing_ = false;
      if (!status.ok()) {
        LogError("cannot kill PostgreSQL", {{"error", std::string(status.message())}});
      }
      ObserveSoon();
    });
  });
}

absl::Status Daemon::Remember(const Memory& memory) {
  PGM_RETURN_IF_ERROR(StoreMemory(MemoryPath(config_.state_dir), memory));
  const bool other_data = memory.data_number != memory_.data_number;
  memory_ = memory;
  if (other_data) {
    ++changes_;  // what was seen was another directory
    ObserveSoon();
  }
  return absl::OkStatus();
}

void Daemon::Begin(Step step) {
  if (step.remember_first) {
    if (const absl::Status status = Remember(step.memory); !status.ok()) {
      StepEnded(step, status);
      return;
    }
  }
  running_ = step;
  progress_.clear();
  ++steps_run_;
  ++changes_;
  stepper_.Post([this, step = std::move(step), desired = orders_.desired.value_or(DesiredState{})] {
    const auto progress = [this](const std::string& text) {
      loop_.Post([this, text] { progress_ = text; });
    };
    const absl::Status status = instance_.Run(step, desired, progress);
    loop_.Post([this, step, status] {
      running_.reset();
      ++changes_;
      StepEnded(step, status);
      ObserveSoon();
    });
  });
}

void Daemon::StepEnded(const Step& step, const absl::Status& status) {
  absl::Status result = status;
  if (result.ok() && step.memory.data_number != memory_.data_number) {
    stream_watch_.Reset();
  }
  if (result.ok() && step.memory != memory_) {
    // Only what this step was meant to change: orders may have moved the epoch meanwhile.
    Memory memory = memory_;
    memory.data_number = step.memory.data_number;
    memory.adopted = step.memory.adopted;
    memory.replaced_epoch = std::max(memory.replaced_epoch, step.memory.replaced_epoch);
    memory.started_epoch = std::max(memory.started_epoch, step.memory.started_epoch);
    memory.backfilled_epoch = std::max(memory.backfilled_epoch, step.memory.backfilled_epoch);
    memory.checkpointed_epoch = std::max(memory.checkpointed_epoch, step.memory.checkpointed_epoch);
    result = Remember(memory);
  }
  if (absl::IsCancelled(result)) {
    return;
  }
  if (result.ok()) {
    if (step.kind == failed_kind_) {
      ForgetFailure();
    }
    return;
  }
  ++steps_failed_;
  if (step.kind != failed_kind_) {
    ForgetFailure();
  }
  failed_kind_ = step.kind;
  backoff_ = std::clamp(backoff_ * 2, kBackoffMin, kBackoffMax);
  retry_at_ = clock_.Now() + backoff_;
  const std::string detail = InfoOf(result).detail;
  step_error_ = absl::StrCat(result.message(), detail.empty() ? "" : ": ", detail);
  LogError(absl::StrCat("step ", NameOf(step.kind), " failed"),
           {{"error", step_error_}, {"retry_in_ms", absl::StrCat(backoff_.count())}});
}

void Daemon::ForgetFailure() {
  failed_kind_ = StepKind::kWait;
  backoff_ = Duration{0};
  step_error_.clear();
}

// ---- Reporting ----

void Daemon::Tell(bool heartbeat_is_due) {
  if (!observed_once_) {
    return;
  }
  const World world = MakeWorld();
  std::string step;
  if (running_.has_value()) {
    step = progress_.empty() ? std::string(NameOf(running_->kind)) : progress_;
  } else if (!step_error_.empty()) {
    step = std::string(NameOf(failed_kind_));
  } else if (last_step_.blocked) {
    step = last_step_.rule;
  }
  std::string error = step_error_;
  if (error.empty() && last_step_.blocked) {
    error = last_step_.reason;
  }
  if (error.empty() && IsWitness()) {
    error = visits_.Trouble(world.now);
  }
  pgmahout::Report report = ReportOf(world, step, error);
  report.generation = orders_.generation;
  report.obeyed_incarnation = orders_.incarnation;
  report.obeyed_opening = orders_.opening;
  report.agent_version = config_.agent_version;
  const bool news = WithoutPositions(report) != WithoutPositions(last_report_);
  if (!news && !heartbeat_is_due) {
    return;
  }
  last_report_ = report;
  last_heartbeat_ = clock_.Now();
  link_.Send(report);
  if (listener_) {
    std::optional<Lease> lease = orders_.lease;
    if (lease.has_value()) {
      lease->deadline = *WriteDeadlineOf(world);
    }
    listener_(Snapshot{report, observation_, lease, connected_, steps_run_, steps_failed_});
  }
}

}  // namespace pgmahout::agent
