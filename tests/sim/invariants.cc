// SPDX-License-Identifier: Apache-2.0
// The invariants, by the numbers of docs/design.md, section 6.
#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {

void Simulation::CheckEpoch(uint64_t before) {
  if (state_.durable.epoch < before && now_ >= controller_back_) {
    Break(absl::StrCat("I4: the epoch went from ", before, " to ", state_.durable.epoch));
  }
}

void Simulation::BecamePrimary(const Vm& vm, uint64_t epoch, bool promoted) {
  const auto [entry, is_new] = primary_of_epoch_.emplace(epoch, vm.name);
  if (!is_new && entry->second != vm.name) {
    Break(absl::StrCat("I4: ", vm.name, " and ", entry->second, " are primary at epoch ", epoch));
  }
  // As stored: what is shown must have been decided durably before.
  if (epoch > highest_stored_epoch_) {
    Break(absl::StrCat("I6: ", vm.name, " is primary at epoch ", epoch, ", the store has ",
                       stored_.epoch));
  }
  if (promoted) {
    const auto [timeline, is_new_timeline] = epoch_of_timeline_.emplace(vm.disk.timeline, epoch);
    if (!is_new_timeline) {
      Break(absl::StrCat("I9: timeline ", vm.disk.timeline, " was begun at epoch ",
                         timeline->second, " and at ", epoch));
    }
  }
  promotions_ += promoted ? 1 : 0;
  era_[vm.name] = epoch;
  // With onCrash: restart one that nobody hears may start again beside its successor, as long as
  // its lease lasts. It can acknowledge nothing that is not confirmed; that is checked there.
  if (epoch >= newest_era_) {
    CheckHoldsAll(vm, "became primary");
    newest_era_ = epoch;
    newest_history_ = std::set<uint32_t>(vm.disk.wal.begin(), vm.disk.wal.end());
  }
}

// Neither started nor promoted: it was primary at an earlier epoch all the time.
void Simulation::GoesOnAtNewEpoch(const Vm& vm) {
  if (primary_of_epoch_.count(vm.disk.memory.epoch) == 0) {
    BecamePrimary(vm, vm.disk.memory.epoch, /*promoted=*/false);
  }
}

// A server that was primary before the newest one may still pass on what was confirmed to it; but
// only commits that the newest one has too.
void Simulation::Acknowledged(const Vm& primary, const Quorum& quorum, uint32_t commit) {
  const uint64_t era = era_[primary.name];
  if (era < newest_era_ && newest_history_.count(commit) == 0) {
    Break(absl::StrCat("I1: ", primary.name, ", primary at epoch ", era, ", acknowledges commit ",
                       commit, " beside the primary of epoch ", newest_era_));
  }
  ++committed_;
  // Asynchronous by choice may lose the latest commits; who went on alone under another durability
  // may not.
  const bool by_choice =
      !quorum.standbys.empty() || stored_.spec.synchronous.durability == DataDurability::kOff;
  if (quorum.number > 0 || !by_choice) {
    acknowledged_.insert(commit);
  }
}

void Simulation::CheckHoldsAll(const Vm& vm, const std::string& when) {
  const std::set<uint32_t> held(vm.disk.wal.begin(), vm.disk.wal.end());
  for (const uint32_t commit : acknowledged_) {
    if (held.count(commit) == 0) {
      Break(absl::StrCat("I2: ", vm.name, " ", when, " without the acknowledged commit ", commit));
      return;
    }
  }
}

void Simulation::CheckCopy(const Vm& vm, const Vm& upstream) {
  const std::set<uint32_t> theirs(upstream.disk.wal.begin(), upstream.disk.wal.end());
  for (const uint32_t commit : vm.disk.wal) {
    if (commit != 0 && acknowledged_.count(commit) > 0 && theirs.count(commit) == 0) {
      Break(absl::StrCat("I7: ", vm.name, " gives up the acknowledged commit ", commit, ", which ",
                         upstream.name, " does not have"));
      return;
    }
  }
}

// What follows must hold nothing that its upstream has not, or it would show commits that never
// were.
void Simulation::CheckFollows(const Vm& vm, const std::string& upstream, const std::string& how) {
  const auto found = vms_.find(upstream);
  if (found == vms_.end() || !found->second.Commits()) {
    return;
  }
  const Wal& theirs = found->second.disk.wal;
  const Wal& ours = vm.disk.wal;
  if (ours.size() > theirs.size() || !std::equal(ours.begin(), ours.end(), theirs.begin())) {
    Break(absl::StrCat("I7: ", vm.name, " ", how, ", with WAL that ", upstream, " does not have"));
  }
}

void Simulation::CheckNames(const controller::NameRecords& records) {
  if (std::tie(records.epoch, records.change) < std::tie(zone_.epoch, zone_.change)) {
    Break("I8: the names went back to an older version");
  }
  const auto primary = primary_of_epoch_.find(records.epoch);
  for (const std::string& address : records.primary_addresses) {
    if (primary == primary_of_epoch_.end() || address != AddressOf(primary->second)) {
      Break(absl::StrCat("I8: at epoch ", records.epoch, " the names say ", address));
    }
  }
}

}  // namespace pgmahout::sim
