// SPDX-License-Identifier: Apache-2.0
// What an agent sees of its VM, and what its steps do there. Mirrors agent/daemon and
// agent/postgres.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/pg/timeline_history.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {
namespace {

constexpr Duration kMarkerPeriod{500};
constexpr Duration kWalReceiverTimeout{3'000};

// Where its ancestors end, as the file of its history says.
std::map<uint32_t, Lsn> EndsOf(const Disk& disk) {
  std::map<uint32_t, Lsn> ends;
  uint32_t before = 1;
  for (const auto& [timeline, fork] : disk.history) {
    ends[before] = fork;
    before = timeline;
  }
  return ends;
}

}  // namespace

agent::SqlFacts Simulation::Ask(Vm& vm) {
  agent::SqlFacts sql;
  Server& server = vm.server;
  sql.in_recovery = server.in_recovery;
  sql.timeline = vm.disk.timeline;
  if (server.in_recovery) {
    sql.timeline = TimelineOf(LsnAt(vm.disk.flushed), vm.disk.timeline, EndsOf(vm.disk));
  }
  sql.server_started = server.started;
  sql.redo_lsn = LsnAt(vm.CheckpointBefore(vm.disk.flushed));
  sql.config_id = agent::ConfigIdOf(server.loaded.text);
  sql.synchronous_standby_names = agent::RenderSynchronousStandbyNames(server.loaded.quorum);
  sql.since_config_load = now_ - server.loaded_at;
  sql.roles_id = vm.disk.roles_id;
  for (const auto& [slot, restart] : vm.disk.slots) {
    const Lsn lsn = restart.has_value() ? LsnAt(*restart) : Lsn{};
    sql.slots.push_back(agent::Slot{slot, IsInUse(vm, slot), lsn});
  }
  if (server.in_recovery) {
    sql.receive_lsn = LsnAt(vm.disk.flushed);
    sql.replay_lsn = sql.receive_lsn;
    sql.receiver_exists = !server.receives_from.empty();
    sql.receiver_streaming = sql.receiver_exists && now_ - server.received_at < kWalReceiverTimeout;
    return sql;
  }
  if (now_ - vm.last_marker >= kMarkerPeriod && now_ >= vm.disk_stuck_until) {
    sql.marker_before = vm.Clock(now_);
    vm.disk.wal.push_back(0);
    vm.disk.flushed = vm.disk.wal.size();
    sql.marker_lsn = LsnAt(vm.disk.wal.size());
    vm.last_marker = now_;
  }
  sql.write_lsn = LsnAt(vm.disk.flushed);
  sql.parent_timeline = vm.disk.parent_timeline;
  sql.fork_lsn = vm.disk.fork_lsn;
  for (const auto& [standby, seen] : server.attached) {
    if (now_ - seen < kWalSenderTimeout) {
      const auto known = server.flushed.find(standby);
      const size_t flushed = known == server.flushed.end() ? 0 : known->second;
      sql.attached.push_back(Attached{standby, true, "", LsnAt(flushed), LsnAt(flushed)});
    }
  }
  for (const Heard& one : server.heard) {
    sql.echoes.push_back(one.text);
  }
  return sql;
}

agent::World Simulation::See(Vm& vm) {
  agent::World world;
  world.desired = vm.orders.desired;
  world.member_lsn = vm.orders.member_lsn;
  world.lease = vm.orders.lease;
  world.witnesses = vm.witnesses.seen();
  world.memory = vm.disk.memory;
  world.context.node = vm.name;
  world.context.address = AddressOf(vm.name);
  world.now = vm.Clock(now_);
  agent::Observation& seen = world.observation;
  seen.taken_at = world.now;
  seen.data.exists = vm.disk.exists;
  seen.data.complete = vm.disk.complete;
  seen.data.standby_signal = vm.disk.standby_signal;
  seen.data.system_identifier = vm.disk.exists ? kSystemIdentifier : 0;
  seen.data.config = vm.disk.config.text;
  seen.data.hba = vm.disk.hba;
  seen.postmaster_alive = vm.server.running;
  seen.visit = vm.visit;
  const agent::ControlData control{kSystemIdentifier,        vm.disk.control_state,
                                   vm.disk.timeline,         vm.disk.checkpoint_lsn,
                                   vm.disk.min_recovery_lsn, vm.disk.min_recovery_timeline};
  if (vm.server.stopping) {
    seen.server = ServerState::kStopping;
    seen.data.control = control;
  } else if (vm.server.running && now_ < std::max(vm.hung_until, vm.disk_stuck_until)) {
    seen.server = ServerState::kHung;
  } else if (vm.server.running && !vm.IsConsistent()) {
    seen.server = ServerState::kStarting;
    seen.replaying = absl::StrCat(vm.disk.wal.size());
  } else if (vm.server.running) {
    seen.server = ServerState::kRunning;
    seen.sql = Ask(vm);
    agent::AttachWitness(world.desired, &seen);
    seen.not_streaming_since = vm.stream_watch.since();
    if (seen.sql->receiver_streaming) {
      seen.receiver_heard_at = vm.Clock(vm.server.received_at);
    }
  } else if (vm.disk.exists) {
    seen.server = ServerState::kStopped;
    seen.data.control = control;
  }
  return world;
}

void Simulation::Agent(Vm& vm) {
  agent::World world = See(vm);
  vm.witnesses.Take(world.observation);
  world.witnesses = vm.witnesses.seen();
  vm.stream_watch.Take(world.observation, vm.last_step, world.now);
  world.observation.not_streaming_since = vm.stream_watch.since();
  Visit(vm);
  const agent::Step step = agent::Next(world);
  vm.last_step = step.kind;
  const bool fences =
      step.kind == agent::StepKind::kKill || step.kind == agent::StepKind::kStopFast;
  if (options_.broken.guard_sleeps && step.rule == "fence-at-deadline") {
    return;
  }
  // A step of the agent lasts until the promotion has ended; only fencing is done beside it.
  const bool is_busy = vm.server.promotion.has_value();
  if (step.kind != agent::StepKind::kWait &&
      (fences || (now_ >= vm.disk_stuck_until && !is_busy))) {
    if (step.remember_first) {
      vm.disk.memory = step.memory;
    }
    if (!Chance(500)) {  // else it fails, and is tried again
      Say(absl::StrCat(vm.name, " e", vm.disk.memory.epoch, " ", step.rule, ": ", step.reason));
      Carry(vm, step);
    }
  }
  Tell(vm, step.rule);
}

void Simulation::Carry(Vm& vm, const agent::Step& step) {
  switch (step.kind) {
    case agent::StepKind::kKill:
      vm.Crash();
      break;
    case agent::StepKind::kStopFast:
      StopFast(vm, step);
      break;
    case agent::StepKind::kInitialize:
      vm.disk.exists = true;
      vm.disk.complete = true;
      vm.disk.timeline = 1;
      break;
    case agent::StepKind::kConfigure:
      WriteConfig(vm, step);
      break;
    case agent::StepKind::kStart:
      vm.StartServer(now_);
      if (vm.IsPrimary()) {
        BecamePrimary(vm, vm.disk.memory.epoch, /*promoted=*/false);
      }
      break;
    case agent::StepKind::kPromote:
      BeginPromotion(vm, step.new_timeline);
      break;
    case agent::StepKind::kBaseBackup:
    case agent::StepKind::kRewind:
      Copy(vm, step);
      return;
    case agent::StepKind::kMarkStandby:
      CheckFollows(vm, vm.orders.desired->upstream, "is made a standby as it is");
      vm.disk.standby_signal = true;
      break;
    case agent::StepKind::kMarkVoter:
      vm.disk.standby_signal = true;
      break;
    case agent::StepKind::kRemember:
      if (vm.IsPrimary() && step.memory.started_epoch > vm.disk.memory.started_epoch) {
        GoesOnAtNewEpoch(vm);
      }
      break;
    case agent::StepKind::kCheckpoint:
      vm.disk.checkpoint_lsn = LsnAt(vm.disk.flushed);
      vm.disk.checkpoints.push_back(vm.disk.flushed);
      break;
    case agent::StepKind::kEnsureRoles:
      vm.disk.roles_id = step.roles_id;
      break;
    case agent::StepKind::kEnsureSlots:
      EnsureSlots(vm, step.slots);
      break;
    default:
      break;
  }
  vm.disk.memory = step.memory;
}

// A fast shutdown of a primary: sessions end, the checkpoint is written, walsenders send all they
// can. Some time later the postmaster is gone. It may also be too slow, and is killed.
void Simulation::StopFast(Vm& vm, const agent::Step& step) {
  if (!vm.server.running || vm.server.stopping) {
    return;
  }
  const bool in_time = step.kill_after > Duration{3'000} || Random(5) != 0;
  if (!in_time || now_ < vm.disk_stuck_until) {
    vm.Crash();
    return;
  }
  if (!vm.server.in_recovery) {
    vm.disk.checkpoint_lsn = LsnAt(vm.disk.wal.size());
    vm.disk.wal.push_back(0);
    vm.disk.control_state = "shut down";
  } else {
    vm.disk.control_state = "shut down in recovery";
  }
  vm.disk.flushed = vm.disk.wal.size();
  vm.server.promotion.reset();
  vm.server.stopping = true;
  // Not before its walsenders have sent everything to who can be reached (postgres.cc, Receive).
  vm.server.stopped_at = std::max(Soon(400, 3'000), now_ + kLastOfWal);
}

// From now on it receives nothing, and it ends recovery when it has come to the end of its WAL.
void Simulation::BeginPromotion(Vm& vm, uint32_t lowest) {
  // A store that is known to be old may not know that it has ended.
  if (stored_.maintenance.count(vm.name) > 0 && !stored_.quarantined) {
    Break(absl::StrCat(vm.name, " is promoted although it is in maintenance"));
  }
  vm.server.promotion = Promotion{Soon(150, 4'000), lowest, vm.disk.memory.epoch};
  vm.server.receives_from.clear();
}

void Simulation::EndPromotion(Vm& vm) {
  const std::optional<Promotion> promotion = vm.server.promotion;
  if (!promotion.has_value() || now_ < promotion->due || now_ < vm.disk_stuck_until ||
      !vm.IsConsistent()) {
    return;
  }
  vm.server.promotion.reset();
  Promote(vm, promotion->lowest);
  BecamePrimary(vm, promotion->epoch, /*promoted=*/true);
}

// PostgreSQL takes the next number for which it finds no history file; the agent sees to it that it
// finds those of the archive, and of all lower numbers than `lowest`. The archive gets the new one
// later, or never.
void Simulation::Promote(Vm& vm, uint32_t lowest) {
  vm.disk.standby_signal = false;
  vm.disk.parent_timeline = vm.disk.timeline;
  vm.disk.timeline = std::max(vm.disk.timeline + 1, lowest);
  while (archived_timelines_.count(vm.disk.timeline) > 0) {
    vm.disk.timeline += 1;
  }
  if (archive_) {
    vm.server.archives_at = Soon(200, 4'000);
  }
  vm.disk.checkpoints.push_back(vm.disk.wal.size());
  vm.disk.fork_lsn = LsnAt(vm.disk.wal.size());
  vm.disk.history[vm.disk.timeline] = vm.disk.fork_lsn;
  vm.disk.wal.push_back(0);
  vm.disk.flushed = vm.disk.wal.size();
  vm.disk.control_state = "in production";
  vm.disk.min_recovery_lsn = Lsn{};
  vm.disk.min_recovery_timeline = 0;
  vm.server.in_recovery = false;
  vm.server.receives_from.clear();
  vm.server.acknowledged = vm.disk.wal.size();
}

// Its history, then placeholders for the numbers that it has passed by.
void Simulation::ArchiveHistories(Vm& vm) {
  if (vm.server.archives_at.has_value() && now_ >= *vm.server.archives_at &&
      now_ >= vm.disk_stuck_until && vm.IsPrimary()) {
    for (uint32_t number = 1; number <= vm.disk.timeline; ++number) {
      archived_timelines_.insert(number);
    }
    vm.server.archives_at.reset();
  }
}

void Simulation::WriteConfig(Vm& vm, const agent::Step& step) {
  Config config;
  config.text = step.config;
  const agent::Memory& memory = vm.disk.memory;
  const bool alone = agent::IsAlone(memory) && vm.orders.desired->epoch == memory.epoch;
  config.quorum = alone ? Quorum{} : vm.orders.desired->quorum;
  if (absl::StrContains(step.config, agent::kWishParameter)) {
    config.wished_epoch = memory.epoch;
  }
  for (const auto& [name, other] : vms_) {
    if (absl::StrContains(step.config, absl::StrCat("host=''", AddressOf(name), "''"))) {
      config.upstream = name;
    }
  }
  vm.disk.config = config;
  vm.disk.hba = step.hba;
  if (vm.server.running && !vm.server.stopping) {
    vm.Load(now_);
    vm.server.receiver_ends = now_ + Duration{Random(500)};
  }
}

// pg_basebackup into a new directory: nothing of the old one is touched until the copy is whole.
// pg_rewind changes the directory in place, but finds nothing to do where the numbers of the
// timelines are the same.
void Simulation::Copy(Vm& vm, const agent::Step& step) {
  const auto upstream = vms_.find(step.upstream.node);
  const bool rewinds = step.kind == agent::StepKind::kRewind;
  if (upstream == vms_.end() || !upstream->second.Commits() || !upstream->second.Acts(now_) ||
      !BothWays(vm.name, upstream->first) || Random(4) == 0 ||
      (!rewinds && !HasSlot(upstream->second, step.slot))) {
    return;
  }
  CheckCopy(vm, upstream->second);
  Vm& source = upstream->second;
  const agent::Memory memory = step.memory;
  vm.Crash();
  if (rewinds && vm.disk.timeline == source.disk.timeline) {
    CheckFollows(vm, upstream->first, "was rewound to its own timeline");
    vm.disk.standby_signal = true;
    vm.disk.memory = memory;
    return;
  }
  if (!rewinds) {  // a base backup begins with a checkpoint
    source.disk.checkpoints.push_back(source.disk.flushed);
    vm.stream_watch.Reset();
  }
  Config config;
  const bool starts = !rewinds || SourceHasWalFor(vm, source);
  vm.disk = source.disk;
  vm.disk.starts = starts;
  if (!starts) {
    Say(absl::StrCat(vm.name, " lacks WAL that it needs first"));
  }
  vm.disk.wal.resize(source.disk.flushed);
  vm.disk.flushed = vm.disk.wal.size();
  vm.disk.memory = memory;
  vm.disk.standby_signal = true;
  vm.disk.config = config;
  vm.disk.hba.clear();
  vm.disk.slots.clear();
  if (!rewinds) {
    vm.disk.removed = source.disk.flushed;
    source.disk.slots[step.slot] = source.disk.flushed;  // pg_basebackup streams with it
  }
  // A base backup waits for the WAL that makes it consistent; a rewind does not.
  vm.disk.min_recovery_lsn = LsnAt(rewinds ? source.disk.wal.size() : source.disk.flushed);
  vm.disk.min_recovery_timeline = source.disk.timeline;
}

// pgmahout-guard: when the deadline passes, nothing of PostgreSQL runs, whatever the agent does.
void Simulation::Guard(Vm& vm) {
  const bool may_write = vm.IsPrimary() || vm.server.promotion.has_value();
  if (!vm.Acts(now_) || !may_write || options_.broken.guard_sleeps) {
    return;
  }
  agent::World world;
  world.lease = vm.orders.lease;
  world.witnesses = vm.witnesses.seen();
  world.memory = vm.disk.memory;
  world.now = vm.Clock(now_);
  const std::optional<BootTime> deadline = agent::WriteDeadlineOf(world);
  if (!deadline.has_value() || world.now >= *deadline - Duration{1'000}) {
    Say(absl::StrCat(vm.name, " is killed by its guard"));
    vm.Crash();
  }
}

}  // namespace pgmahout::sim
