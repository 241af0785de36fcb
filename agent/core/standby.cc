// SPDX-License-Identifier: Apache-2.0
// Rules of a node that shall be standby: follow, rejoin, or be copied anew.
#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/core/rules.h"
#include "common/pg/names.h"

namespace pgmahout::agent {
namespace {

// A standby that has received nothing for so long, although there is a primary, is rebuilt.
constexpr Duration kRebuildAfter{60'000};

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
  // pg_rewind takes restore_command from there, for WAL that is gone on both sides.
  if (Maybe configure = ConfigureIfNeeded(world, /*detached=*/false)) {
    return *configure;
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
  if (control.timeline == desired.upstream_timeline) {
    // Two promotions took the same number: the archive did not have the first one's history yet.
    // pg_rewind compares numbers only and would find nothing to do.
    return Rebuild(world, "its timeline is not in the history of the primary");
  }
  // fork_lsn is where the parent ends; any other timeline left the history of the primary before.
  const bool all_of_it_is_known = control.state == "shut down" &&
                                  control.timeline == desired.parent_timeline &&
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

// A server that is down and would refuse to start: what it must replay to be consistent is not in
// the history of its upstream. A rewind leaves that behind if its source dies right after.
bool CannotBecomeConsistent(const World& world) {
  const std::optional<ControlData>& control = world.observation.data.control;
  const DesiredState& desired = *world.desired;
  return control.has_value() && control->min_recovery_timeline < desired.upstream_timeline &&
         desired.fork_lsn.valid() && control->min_recovery_lsn > desired.fork_lsn;
}

// The order names the directory it gives up, so that it is obeyed once.
bool RebuildIsOrdered(const World& world) {
  return world.desired->rebuild_directory != 0 && !world.desired->hands_off &&
         world.desired->may_rebuild && DataIsUsable(world.observation) &&
         world.memory.data_number == world.desired->rebuild_directory;
}

bool CannotStream(const World& world) {
  const std::optional<BootTime>& since = world.observation.not_streaming_since;
  return since.has_value() && world.desired->may_rebuild && world.now - *since >= kRebuildAfter;
}

// First the server stops: then the copy begins behind all that this node ever confirmed, and its
// slot is free and keeps the WAL that the copy will ask for.
Step RebuildAsOrdered(const World& world) {
  if (world.observation.postmaster_alive) {
    return Stop(world, "a new base backup is ordered", kCleanStopKillAfter);
  }
  return Rebuild(world, "a new base backup is ordered");
}

// Data may be such that the server ends whenever it starts: the source of a rewind lacked WAL, or a
// promotion before the last one left this timeline behind. What else keeps a server from starting
// another copy does not mend, so one is made per epoch.
Step StartStandby(const World& world) {
  if (!CannotStream(world) || world.memory.replaced_epoch >= world.memory.epoch) {
    return Do(world, StepKind::kStart, "standby");
  }
  Step step = Rebuild(world, "it has not started for a minute");
  step.memory.replaced_epoch = world.memory.epoch;
  return step;
}

// Likewise, the order names the server that shall end.
bool RestartIsOrdered(const World& world) {
  return world.desired->restart_server != 0 && !world.desired->hands_off &&
         world.observation.sql->server_started == world.desired->restart_server;
}

Step CareForStandby(const World& world) {
  const Observation& seen = world.observation;
  if (Maybe configure = ConfigureIfNeeded(world, /*detached=*/false)) {
    return *configure;
  }
  if (RestartIsOrdered(world)) {
    return Stop(world, "a restart is ordered", kCleanStopKillAfter);
  }
  if (HasDiverged(world)) {
    return Rejoin(world, "its WAL has diverged from the new timeline");
  }
  if (CannotStream(world)) {
    return Rebuild(world, "it has not been able to stream for a minute");
  }
  if (Maybe slots = EnsureSlots(world)) {
    return *slots;
  }
  if (seen.sql->receiver_streaming && seen.old_directories > 0 && !world.desired->hands_off) {
    return Do(world, StepKind::kRemoveOldData, "this copy streams");
  }
  return Wait(world, seen.sql->receiver_streaming ? "streaming" : "connecting to the primary");
}

}  // namespace

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
  if (Maybe leave = LeaveStopped(world)) {
    return leave;
  }
  if (RebuildIsOrdered(world)) {
    return RebuildAsOrdered(world);
  }
  if (!seen.postmaster_alive && !DataIsUsable(seen)) {
    return Rebuild(world, seen.data.exists ? "its data directory is not complete" : "new standby");
  }
  if (!seen.postmaster_alive && !seen.data.standby_signal) {
    return RejoinFormerPrimary(world);
  }
  if (!seen.postmaster_alive && CannotBecomeConsistent(world)) {
    return Rebuild(world, "its data belongs to a timeline that was given up");
  }
  if (seen.sql.has_value()) {
    return CareForStandby(world);
  }
  if (Maybe configure = ConfigureIfNeeded(world, /*detached=*/false)) {
    return configure;
  }
  if (!seen.postmaster_alive) {
    return StartStandby(world);
  }
  if (CannotStream(world)) {
    return Rebuild(world, "it has not become consistent for a minute");
  }
  return Wait(world, "the server does not accept connections yet");
}

}  // namespace pgmahout::agent
