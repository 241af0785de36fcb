// SPDX-License-Identifier: Apache-2.0
// Replication slots, and the WAL that is removed because no slot holds it back (PostgreSQL
// documentation, 27.2.6). Every member keeps one for each other member, so that whoever becomes
// primary still has what the others have not received.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/pg/names.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {
namespace {

constexpr size_t kRecordsKept = 40;          // as wal_keep_size does
constexpr size_t kMaxSlotRecordsKept = 400;  // as max_slot_wal_keep_size
constexpr int64_t kCheckpointPeriodMs = 5'000;
// Slots of standbys are moved in steps of 16 MiB, to where they would begin after a restart.
constexpr size_t kRecordsHeldBack = 64 + 150;
constexpr Duration kUntilSlotsFollow{20'000};

size_t RecordsAt(Lsn lsn) {
  return lsn < LsnAt(0) ? 0 : static_cast<size_t>((lsn.value - LsnAt(0).value) / kRecordBytes);
}

}  // namespace

void Simulation::EnsureSlots(Vm& vm, const agent::SlotPlan& plan) {
  for (const std::string& slot : plan.create) {
    vm.disk.slots[slot] = vm.disk.flushed;
  }
  for (const agent::SlotAdvance& advance : plan.advance) {
    std::optional<size_t>& restart = vm.disk.slots.at(advance.name);
    restart = std::max(restart, std::optional(RecordsAt(advance.to)));
  }
  for (const std::string& slot : plan.drop) {
    vm.disk.slots.erase(slot);
  }
}

void Simulation::RemoveOldWal(Vm& vm) {
  Disk& disk = vm.disk;
  if (!vm.server.running || vm.server.stopping || now_ < vm.disk_stuck_until ||
      now_.milliseconds() % kCheckpointPeriodMs != 0) {
    return;
  }
  if (vm.IsPrimary()) {
    disk.checkpoints.push_back(disk.flushed);
  }
  size_t keep = std::min(disk.flushed - std::min(disk.flushed, kRecordsKept),
                         vm.CheckpointBefore(disk.flushed));
  for (auto& [slot, restart] : disk.slots) {
    if (restart.has_value() && disk.flushed - *restart > kMaxSlotRecordsKept) {
      Say(absl::StrCat(vm.name, ": slot ", slot, " is lost"));
      restart.reset();
    }
    keep = std::min(keep, restart.value_or(keep));
  }
  disk.removed = std::max(disk.removed, keep);
}

// A rewound server replays from the last checkpoint before it diverged, and has of pg_wal what its
// source has.
bool Simulation::SourceHasWalFor(const Vm& rewound, const Vm& source) const {
  const Wal& ours = rewound.disk.wal;
  const Wal& theirs = source.disk.wal;
  const auto [diverged, ignored] =
      std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
  const auto common = static_cast<size_t>(diverged - ours.begin());
  return archive_ || source.disk.removed <= rewound.CheckpointBefore(common);
}

// Once all is well nobody keeps WAL that no member will ask for: a disk fills up with it.
void Simulation::CheckSlots() {
  Advance(kUntilSlotsFollow, /*with_faults=*/false);
  for (const std::string& name : state_.durable.spec.nodes) {
    const Vm& vm = vms_.at(name);
    for (const auto& [slot, restart] : vm.disk.slots) {
      const size_t kept = vm.disk.flushed - restart.value_or(0);
      if (broken_.empty() && vm.server.running && kept > kRecordsHeldBack) {
        Break(absl::StrCat(name, " keeps ", kept, " records for ", slot));
      }
    }
  }
}

bool Simulation::HasSlot(const Vm& vm, const std::string& slot) {
  const auto found = vm.disk.slots.find(slot);
  return found != vm.disk.slots.end() && found->second.has_value();
}

bool Simulation::IsInUse(const Vm& vm, const std::string& slot) const {
  const auto& attached = vm.server.attached;
  return !vm.server.in_recovery &&
         std::any_of(attached.begin(), attached.end(), [&](const auto& entry) {
           return SlotNameOf(entry.first) == slot && now_ - entry.second < kWalSenderTimeout;
         });
}

// A WAL receiver asks for its slot by name. What is gone from pg_wal the archive may have.
bool Simulation::CanSend(const Vm& primary, const Vm& standby) const {
  return HasSlot(primary, SlotNameOf(standby.name)) &&
         (archive_ || standby.disk.wal.size() >= primary.disk.removed);
}

}  // namespace pgmahout::sim
