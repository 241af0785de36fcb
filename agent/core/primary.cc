// SPDX-License-Identifier: Apache-2.0
// Rules of a node that shall be primary, and of the slots that every member keeps.
#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/core/rules.h"
#include "common/pg/names.h"

namespace pgmahout::agent {
namespace {

// A slot on a standby is moved on when that much WAL could be released.
constexpr uint64_t kSlotAdvanceBytes = uint64_t{16} << 20;

bool IsPrimaryAssignment(const World& world) {
  return Assigned(world, Assignment::kPrimary) || Assigned(world, Assignment::kBootstrap) ||
         Assigned(world, Assignment::kAdopt);
}

// What a standby's slot for `owner` need not hold back. The primary tells of nothing that it has
// received. Should it have to be rewound, it goes back to a checkpoint that this standby has
// replayed, so it needs no more than this standby itself would.
Lsn HoldsUntil(const World& world, const std::string& owner) {
  const SqlFacts& sql = *world.observation.sql;
  if (owner == world.desired->upstream) {
    return sql.redo_lsn;
  }
  const auto known = world.member_lsn.find(owner);
  return known == world.member_lsn.end() ? Lsn{} : std::min(known->second, sql.replay_lsn);
}

// It has held back more than max_slot_wal_keep_size allows, and nothing since ("Replication Slots",
// PostgreSQL docs, section 27.2.6). Nobody can use it any more, also a new copy of its owner.
bool IsLost(const Slot& slot) {
  return !slot.active && !slot.restart_lsn.valid();
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
    if (IsLost(*slot)) {
      plan.drop.push_back(name);  // it is missing then, and made anew
      continue;
    }
    const Lsn target = HoldsUntil(world, member.node);
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

}  // namespace

bool HasLease(const World& world) {
  return world.lease.has_value() && world.lease->epoch == world.memory.epoch &&
         world.now < world.lease->deadline - world.fence_margin;
}

Maybe Initialize(const World& world) {
  if (!Assigned(world, Assignment::kBootstrap) || world.observation.data.exists) {
    return std::nullopt;
  }
  Step step = Do(world, StepKind::kInitialize, "first primary of a new cluster");
  step.memory.data_number += 1;
  return step;
}

Maybe EnsureSlots(const World& world) {
  Step step = Do(world, StepKind::kEnsureSlots, "replication slots differ");
  step.slots = PlanSlots(world);
  return step.slots.empty() ? Maybe() : step;
}

Maybe BePrimary(const World& world) {
  if (!IsPrimaryAssignment(world)) {
    return std::nullopt;
  }
  const Observation& seen = world.observation;
  if (!DataIsUsable(seen)) {
    return Blocked(world, "it shall be primary, but its data directory is not complete");
  }
  if (!HasLease(world)) {
    return Wait(world, "waits for a lease");
  }
  if (seen.sql.has_value() && !seen.sql->in_recovery) {
    return CareForPrimary(world);
  }
  if (Maybe leave = LeaveStopped(world)) {
    return leave;
  }
  // Only with the new quorum in force: a commit must not slip through unconfirmed (I2). The rest of
  // the configuration is not worth the outage that a reload costs now.
  const bool quorum_in_force =
      seen.sql.has_value() &&
      seen.sql->synchronous_standby_names == RenderSynchronousStandbyNames(world.desired->quorum);
  if (quorum_in_force) {
    Step step =
        Do(world, StepKind::kPromote, absl::StrCat("primary at epoch ", world.memory.epoch));
    step.new_timeline = world.desired->new_timeline;
    return step;
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
  return Wait(world, "the server has not loaded the quorum yet");
}

}  // namespace pgmahout::agent
