// SPDX-License-Identifier: Apache-2.0
#include "agent/core/reconciler.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/pg/names.h"

namespace pgmahout::agent {
namespace {

using Maybe = std::optional<Step>;

// How long a fenced server has for its fast shutdown before every process is killed.
constexpr Duration kFenceKillAfter{3'000};
constexpr Duration kCleanStopKillAfter{25'000};
// A standby that has received nothing for so long, although there is a primary, is rebuilt.
constexpr Duration kRebuildAfter{60'000};
// A slot on a standby is moved on when that much WAL could be released.
constexpr uint64_t kSlotAdvanceBytes = uint64_t{16} << 20;

Step Do(const World& world, StepKind kind, absl::string_view reason) {
  Step step;
  step.kind = kind;
  step.reason = std::string(reason);
  step.memory = world.memory;
  return step;
}

Step Wait(const World& world, absl::string_view reason) {
  return Do(world, StepKind::kWait, reason);
}

Step Blocked(const World& world, absl::string_view reason) {
  Step step = Wait(world, reason);
  step.blocked = true;
  return step;
}

Step Stop(const World& world, absl::string_view reason, Duration kill_after) {
  Step step = Do(world, StepKind::kStopFast, reason);
  step.kill_after = kill_after;
  return step;
}

bool Assigned(const World& world, Assignment assignment) {
  return world.desired->assignment == assignment;
}

bool IsPrimaryAssignment(const World& world) {
  return Assigned(world, Assignment::kPrimary) || Assigned(world, Assignment::kBootstrap);
}

bool DataIsUsable(const Observation& seen) {
  return seen.data.exists && seen.data.complete;
}

// ---- The server must not run ----

Maybe KillOrphans(const World& world) {
  if (!world.observation.orphans) {
    return std::nullopt;
  }
  return Do(world, StepKind::kKill, "PostgreSQL processes have outlived their postmaster");
}

// The lease is counted on this VM's own clock, from before the heartbeat was sent (I1).
Maybe FenceAtDeadline(const World& world) {
  if (world.memory.cluster.empty() || !RunsAsPrimary(world.observation)) {
    return std::nullopt;
  }
  const bool valid = world.lease.has_value() && world.lease->epoch == world.memory.epoch;
  if (!valid || world.now >= world.lease->deadline - world.fence_margin / 3) {
    return Do(world, StepKind::kKill, "the lease to be primary is over");
  }
  if (world.now >= world.lease->deadline - world.fence_margin) {
    return Stop(world, "the lease to be primary runs out",
                world.fence_margin - world.fence_margin / 3);
  }
  return std::nullopt;
}

// ---- Whether to obey ----

Maybe WaitForOrders(const World& world) {
  if (world.desired.has_value()) {
    return std::nullopt;
  }
  return Wait(world, "no orders from the controller yet");
}

Maybe Release(const World& world) {
  if (!Assigned(world, Assignment::kNone) || !world.desired->cluster.empty()) {
    return std::nullopt;
  }
  if (world.memory.cluster.empty()) {
    return Wait(world, "member of no cluster");
  }
  Step step = Do(world, StepKind::kRemember, "this node belongs to no cluster any more");
  step.memory.cluster.clear();
  return step;
}

Maybe IgnoreLowerEpoch(const World& world) {
  if (world.desired->epoch >= world.memory.epoch) {
    return std::nullopt;
  }
  return Blocked(world,
                 absl::StrCat("orders of epoch ", world.desired->epoch, " are ignored: epoch ",
                              world.memory.epoch, " was obeyed already"));
}

Maybe RefuseOtherCluster(const World& world) {
  const Memory& memory = world.memory;
  const DesiredState& desired = *world.desired;
  if (!memory.cluster.empty() && memory.cluster != desired.cluster) {
    return Blocked(world, absl::StrCat("this node belongs to cluster \"", memory.cluster,
                                       "\", not to \"", desired.cluster, "\""));
  }
  const uint64_t data_id = world.observation.data.system_identifier;
  if (desired.system_identifier != 0 && data_id != 0 && data_id != desired.system_identifier) {
    return Blocked(world, absl::StrCat("the data directory has system identifier ", data_id,
                                       ", the cluster has ", desired.system_identifier,
                                       "; it is left untouched"));
  }
  return std::nullopt;
}

Maybe RememberOrders(const World& world) {
  Memory memory = world.memory;
  memory.epoch = world.desired->epoch;
  memory.cluster = world.desired->cluster;
  if (world.desired->system_identifier != 0) {
    memory.system_identifier = world.desired->system_identifier;
  }
  if (memory == world.memory) {
    return std::nullopt;
  }
  Step step = Do(world, StepKind::kRemember, absl::StrCat("epoch ", memory.epoch));
  step.memory = memory;
  return step;
}

// ---- Stop, and vote ----

Maybe StopAsOrdered(const World& world) {
  if (!Assigned(world, Assignment::kStop)) {
    return std::nullopt;
  }
  const Observation& seen = world.observation;
  if (!seen.postmaster_alive) {
    return Wait(world, "fenced: no PostgreSQL process runs");
  }
  if (!world.desired->clean_stop) {
    return Stop(world, "fenced by the controller", kFenceKillAfter);
  }
  // The checkpoint of the shutdown itself is short when there was one just before.
  if (RunsAsPrimary(seen) && seen.sql.has_value() &&
      world.memory.checkpointed_epoch < world.memory.epoch) {
    Step step = Do(world, StepKind::kCheckpoint, "before the switchover");
    step.memory.checkpointed_epoch = world.memory.epoch;
    return step;
  }
  return Stop(world, "switchover", kCleanStopKillAfter);
}

Step Configure(const World& world, const std::string& config, absl::string_view reason) {
  Step step = Do(world, StepKind::kConfigure, reason);
  step.config = config;
  step.hba = RenderHba(*world.desired);
  step.check_config = !SameUserParameters(config, world.observation.data.config);
  return step;
}

// Files on disk first, then what the server has loaded.
Maybe ConfigureIfNeeded(const World& world, bool detached) {
  const Observation& seen = world.observation;
  const std::string config = RenderConfig(*world.desired, world.context, detached);
  if (seen.data.config != config || seen.data.hba != RenderHba(*world.desired)) {
    return Configure(world, config, "the configuration differs");
  }
  if (!seen.data.auto_conf_overrides.empty()) {
    return Configure(world, config,
                     absl::StrCat("postgresql.auto.conf overrides ",
                                  absl::StrJoin(seen.data.auto_conf_overrides, ", ")));
  }
  if (seen.sql.has_value() && seen.sql->config_id != ConfigIdOf(config)) {
    return Configure(world, config, "the server has not loaded the configuration");
  }
  return std::nullopt;
}

Maybe Vote(const World& world) {
  if (!Assigned(world, Assignment::kPrepare)) {
    return std::nullopt;
  }
  const Observation& seen = world.observation;
  if (!DataIsUsable(seen)) {
    return Wait(world, "cannot vote: its data directory is not complete");
  }
  if (seen.postmaster_alive && RunsAsPrimary(seen)) {
    return Stop(world, "fenced by the controller", kFenceKillAfter);
  }
  if (!seen.data.standby_signal) {
    return Wait(world, "cannot vote: it was primary before");
  }
  if (Maybe configure = ConfigureIfNeeded(world, /*detached=*/true)) {
    return configure;
  }
  if (!seen.postmaster_alive) {
    return Do(world, StepKind::kStart, "to vote");
  }
  return Wait(world, BallotOf(world).has_value() ? "voted" : "its WAL receiver is ending");
}

// ---- Primary ----

Maybe Initialize(const World& world) {
  if (!Assigned(world, Assignment::kBootstrap) || world.observation.data.exists) {
    return std::nullopt;
  }
  Step step = Do(world, StepKind::kInitialize, "first primary of a new cluster");
  step.memory.data_number += 1;
  return step;
}

// Slots for everybody else, so that they exist after a failover too. On a standby a slot holds WAL
// back until it is moved on, so it follows its owner.
SlotPlan PlanSlots(const World& world) {
  SlotPlan plan;
  const SqlFacts& sql = *world.observation.sql;
  std::vector<std::string> wanted;
  for (const Member& member : world.desired->members) {
    if (member.node == world.context.node) {
      continue;
    }
    const std::string name = SlotNameOf(member.node);
    wanted.push_back(name);
    const auto slot = std::find_if(sql.slots.begin(), sql.slots.end(),
                                   [&name](const Slot& one) { return one.name == name; });
    if (slot == sql.slots.end()) {
      plan.create.push_back(name);
      continue;
    }
    const auto known = world.member_lsn.find(member.node);
    const Lsn target =
        known == world.member_lsn.end() ? Lsn{} : std::min(known->second, sql.replay_lsn);
    if (sql.in_recovery && !slot->active &&
        BytesBetween(slot->restart_lsn, target) >= kSlotAdvanceBytes) {
      plan.advance.push_back(SlotAdvance{name, target});
    }
  }
  for (const Slot& slot : sql.slots) {
    if (absl::StartsWith(slot.name, "pgmahout_") && !slot.active &&
        std::find(wanted.begin(), wanted.end(), slot.name) == wanted.end()) {
      plan.drop.push_back(slot.name);
    }
  }
  return plan;
}

Maybe EnsureSlots(const World& world) {
  Step step = Do(world, StepKind::kEnsureSlots, "replication slots differ");
  step.slots = PlanSlots(world);
  return step.slots.empty() ? Maybe() : step;
}

// What a writable primary still needs, the most urgent first.
Step CareForPrimary(const World& world) {
  const Memory& memory = world.memory;
  if (memory.started_epoch < memory.epoch) {
    Step step = Do(world, StepKind::kRemember, "writable at this epoch");
    step.memory.started_epoch = memory.epoch;
    if (memory.system_identifier == 0) {
      step.memory.system_identifier = world.observation.data.system_identifier;
    }
    return step;
  }
  if (Maybe configure = ConfigureIfNeeded(world, /*detached=*/false)) {
    return *configure;
  }
  if (const std::string id = RolesIdOf(*world.desired); world.observation.sql->roles_id != id) {
    Step step = Do(world, StepKind::kEnsureRoles, "roles or databases differ");
    step.roles_id = id;
    return step;
  }
  if (Maybe slots = EnsureSlots(world)) {
    return *slots;
  }
  // pg_rewind reads the source's timeline from its control file, which a checkpoint writes.
  if (memory.checkpointed_epoch < memory.epoch) {
    Step step = Do(world, StepKind::kCheckpoint, "after the promotion");
    step.memory.checkpointed_epoch = memory.epoch;
    return step;
  }
  if (memory.backfilled_epoch < memory.epoch && !world.desired->spec.archive_directory.empty()) {
    Step step = Do(world, StepKind::kBackfillArchive, "WAL the old primary may not have archived");
    step.memory.backfilled_epoch = memory.epoch;
    return step;
  }
  return Wait(world, "primary");
}

Step StartPrimary(const World& world) {
  const bool crashed = world.memory.started_epoch == world.memory.epoch;
  if (crashed && !world.desired->spec.failover.restart_on_crash) {
    return Wait(world, "PostgreSQL ended; the controller decides who goes on");
  }
  return Do(world, StepKind::kStart, "primary");
}

Maybe BePrimary(const World& world) {
  if (!IsPrimaryAssignment(world)) {
    return std::nullopt;
  }
  const Observation& seen = world.observation;
  if (!DataIsUsable(seen)) {
    return Blocked(world, "it shall be primary, but its data directory is not complete");
  }
  if (!world.lease.has_value() || world.lease->epoch != world.memory.epoch ||
      world.now >= world.lease->deadline - world.fence_margin) {
    return Wait(world, "waits for a lease");
  }
  if (seen.sql.has_value() && !seen.sql->in_recovery) {
    return CareForPrimary(world);
  }
  if (Maybe configure = ConfigureIfNeeded(world, /*detached=*/false)) {
    return configure;
  }
  if (!seen.postmaster_alive) {
    return StartPrimary(world);
  }
  if (!seen.sql.has_value()) {
    return Wait(world, "the server does not accept connections yet");
  }
  // Only with the new quorum in force: a commit must not slip through unconfirmed (I2).
  return Do(world, StepKind::kPromote, absl::StrCat("primary at epoch ", world.memory.epoch));
}

// ---- Standby ----

const Member* Upstream(const World& world) {
  for (const Member& member : world.desired->members) {
    if (member.node == world.desired->upstream) {
      return member.address.empty() ? nullptr : &member;
    }
  }
  return nullptr;
}

Step Rebuild(const World& world, absl::string_view reason) {
  if (!world.desired->may_rebuild) {
    return Wait(world, "waits for a confirmed primary to copy from");
  }
  Step step = Do(world, StepKind::kBaseBackup, reason);
  step.upstream = *Upstream(world);
  step.slot = SlotNameOf(world.context.node);
  step.memory.data_number += 1;
  return step;
}

// pg_rewind once per epoch, else a base backup beside the old directory.
Step Rejoin(const World& world, absl::string_view reason) {
  if (!world.desired->may_rebuild) {
    return Wait(world, "waits for a confirmed primary to rejoin");
  }
  if (world.memory.rewind_tried_epoch >= world.memory.epoch) {
    return Rebuild(world, reason);
  }
  Step step = Do(world, StepKind::kRewind, reason);
  step.upstream = *Upstream(world);
  step.memory.rewind_tried_epoch = world.memory.epoch;
  step.remember_first = true;
  return step;
}

// A former primary: it may follow as it is only if its WAL ends before the new timeline begins.
Step RejoinFormerPrimary(const World& world) {
  const DesiredState& desired = *world.desired;
  if (desired.upstream_timeline == 0 || !world.observation.data.control.has_value()) {
    return Wait(world, "waits for a confirmed primary to rejoin");
  }
  const ControlData& control = *world.observation.data.control;
  const bool all_of_it_is_known = control.state == "shut down" &&
                                  control.timeline < desired.upstream_timeline &&
                                  control.checkpoint_lsn < desired.fork_lsn;
  if (all_of_it_is_known) {
    return Do(world, StepKind::kMarkStandby, "its WAL ends before the new timeline begins");
  }
  return Rejoin(world, "its WAL has diverged from the new timeline");
}

bool HasDiverged(const World& world) {
  const SqlFacts& sql = *world.observation.sql;
  const DesiredState& desired = *world.desired;
  return !sql.receiver_streaming && sql.timeline != 0 && sql.timeline < desired.upstream_timeline &&
         desired.fork_lsn.valid() && std::max(sql.receive_lsn, sql.replay_lsn) > desired.fork_lsn;
}

Step CareForStandby(const World& world) {
  const Observation& seen = world.observation;
  if (Maybe configure = ConfigureIfNeeded(world, /*detached=*/false)) {
    return *configure;
  }
  if (HasDiverged(world)) {
    return Rejoin(world, "its WAL has diverged from the new timeline");
  }
  if (seen.not_streaming_since.has_value() && world.desired->may_rebuild &&
      world.now - *seen.not_streaming_since >= kRebuildAfter) {
    return Rebuild(world, "it has not been able to stream for a minute");
  }
  if (Maybe slots = EnsureSlots(world)) {
    return *slots;
  }
  if (seen.sql->receiver_streaming && seen.old_directories > 0) {
    return Do(world, StepKind::kRemoveOldData, "this copy streams");
  }
  return Wait(world, seen.sql->receiver_streaming ? "streaming" : "connecting to the primary");
}

Maybe BeStandby(const World& world) {
  if (!Assigned(world, Assignment::kStandby)) {
    return std::nullopt;
  }
  const Observation& seen = world.observation;
  if (Upstream(world) == nullptr) {
    return Wait(world, "the address of the primary is not known yet");
  }
  if (seen.postmaster_alive && RunsAsPrimary(seen)) {
    return Stop(world, "another node is primary", kFenceKillAfter);
  }
  if (!seen.postmaster_alive && !DataIsUsable(seen)) {
    return Rebuild(world, seen.data.exists ? "its data directory is not complete" : "new standby");
  }
  if (!seen.postmaster_alive && !seen.data.standby_signal) {
    return RejoinFormerPrimary(world);
  }
  if (seen.sql.has_value()) {
    return CareForStandby(world);
  }
  if (Maybe configure = ConfigureIfNeeded(world, /*detached=*/false)) {
    return configure;
  }
  if (!seen.postmaster_alive) {
    return Do(world, StepKind::kStart, "standby");
  }
  return Wait(world, "the server does not accept connections yet");
}

Maybe BeNothingYet(const World& world) {
  return Wait(world, "waits for the first primary");
}

struct Rule {
  absl::string_view name;
  Maybe (*decide)(const World&);
};

// Safety first: what must not run, then whom to obey, then what to be.
constexpr Rule kRules[] = {
    {"kill-orphans", KillOrphans},
    {"fence-at-deadline", FenceAtDeadline},
    {"wait-for-orders", WaitForOrders},
    {"release", Release},
    {"ignore-lower-epoch", IgnoreLowerEpoch},
    {"refuse-other-cluster", RefuseOtherCluster},
    {"remember-orders", RememberOrders},
    {"stop-as-ordered", StopAsOrdered},
    {"vote", Vote},
    {"initialize", Initialize},
    {"be-primary", BePrimary},
    {"be-standby", BeStandby},
    {"be-nothing-yet", BeNothingYet},
};

}  // namespace

Step Next(const World& world) {
  for (const Rule& rule : kRules) {
    if (Maybe step = rule.decide(world)) {
      step->rule = std::string(rule.name);
      return *step;
    }
  }
  return Wait(world, "nothing to do");
}

bool RunsAsPrimary(const Observation& observation) {
  if (!observation.postmaster_alive) {
    return false;
  }
  // Recovery removes standby.signal before the first write is possible.
  return observation.sql.has_value() ? !observation.sql->in_recovery
                                     : !observation.data.standby_signal;
}

std::optional<Ballot> BallotOf(const World& world) {
  const Observation& seen = world.observation;
  if (!world.desired.has_value() || world.desired->assignment != Assignment::kPrepare ||
      world.desired->epoch != world.memory.epoch || !seen.sql.has_value() ||
      !seen.sql->in_recovery || !DataIsUsable(seen)) {
    return std::nullopt;
  }
  const SqlFacts& sql = *seen.sql;
  const std::string detached = RenderConfig(*world.desired, world.context, /*detached=*/true);
  // On disk too: the vote must outlive a restart of the server.
  if (seen.data.config != detached || sql.config_id != ConfigIdOf(detached) ||
      sql.receiver_exists) {
    return std::nullopt;
  }
  // A server that has not asked for WAL since its start may have more in pg_wal than it has
  // replayed; pg_last_wal_receive_lsn() does not tell then.
  if (!sql.receive_lsn.valid() && !sql.replayed_all_local) {
    return std::nullopt;
  }
  return Ballot{world.memory.epoch, sql.timeline, std::max(sql.receive_lsn, sql.replay_lsn)};
}

namespace {

void ReportSql(const World& world, const SqlFacts& sql, Report* report) {
  report->role = sql.in_recovery ? ServerRole::kStandby : ServerRole::kPrimary;
  report->timeline = sql.timeline;
  report->fork_lsn = sql.fork_lsn;
  report->write_lsn = sql.write_lsn;
  report->receive_lsn = sql.receive_lsn;
  report->replay_lsn = sql.replay_lsn;
  report->replay_lag_milliseconds = sql.replay_lag_milliseconds;
  report->replay_paused = sql.replay_paused;
  report->receiver_streaming = sql.receiver_streaming;
  report->attached = sql.attached;
  report->server_version = sql.server_version;
  report->pending_restart = sql.pending_restart;
  if (!world.desired.has_value()) {
    return;
  }
  for (const Member& member : world.desired->members) {
    if (!sql.receiver_host.empty() && member.address == sql.receiver_host) {
      report->receiver_upstream = member.node;
    }
  }
  report->roles_ready = sql.roles_id == RolesIdOf(*world.desired);
  if (!sql.in_recovery && world.memory.started_epoch == world.memory.epoch) {
    report->writable_epoch = world.memory.epoch;
  }
  // A walsender takes a new setting up within milliseconds; half a second is for a loaded machine.
  constexpr Duration kSettled{500};
  const bool in_effect =
      sql.synchronous_standby_names == RenderSynchronousStandbyNames(world.desired->quorum);
  if (in_effect && sql.since_config_load >= kSettled) {
    report->quorum_in_effect = world.desired->quorum;
  }
}

}  // namespace

Report ReportOf(const World& world, const std::string& step, const std::string& step_error) {
  const Observation& seen = world.observation;
  Report report;
  report.cluster = world.memory.cluster;
  report.epoch = world.memory.epoch;
  report.system_identifier = seen.data.system_identifier;
  report.server = seen.orphans ? ServerState::kStopping : seen.server;
  report.data_is_complete = DataIsUsable(seen);
  report.step = step;
  report.step_error = step_error;
  report.disk_free_bytes = seen.disk_free_bytes;
  report.ballot = BallotOf(world);
  if (seen.sql.has_value()) {
    ReportSql(world, *seen.sql, &report);
  } else if (seen.data.control.has_value() && !seen.postmaster_alive) {
    report.timeline = seen.data.control->timeline;
    report.clean_stop = seen.data.control->state == "shut down";
    report.write_lsn = seen.data.control->checkpoint_lsn;
  }
  return report;
}

}  // namespace pgmahout::agent
