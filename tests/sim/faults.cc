// SPDX-License-Identifier: Apache-2.0
// What goes wrong, and what people do meanwhile. Rare while nothing happens and frequent while
// something changes: that is where two faults meet.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {
namespace {

constexpr size_t kCopiesKept = 8;

}  // namespace

bool Simulation::FaultHits(uint32_t per_10000) {
  const bool is_changing =
      state_.durable.stage != controller::Stage::kRunning || !state_.durable.older.empty();
  return Chance(is_changing ? per_10000 * 6 : per_10000);
}

void Simulation::Fault() {
  Vm& vm = AnyVm();
  FaultOfVm(vm);
  FaultOfNetwork(vm);
  Planned();
  LoseDuringQuorumChange();
  Operate(vm);
}

void Simulation::Planned() {
  for (auto& [name, vm] : vms_) {
    if (const auto at = isolate_at_.find(name); at != isolate_at_.end() && now_ >= at->second) {
      isolate_at_.erase(at);
      Isolate(vm, Duration{12'000});
    }
    if (const auto at = crash_at_.find(name); at != crash_at_.end() && now_ >= at->second) {
      crash_at_.erase(at);
      Say(absl::StrCat(name, ": PostgreSQL is killed"));
      vm.Crash();
    }
  }
  DoomTheNewPrimary();
}

void Simulation::CutMembers(const std::string& one, const std::string& other, Duration duration) {
  Say(absl::StrCat(one, " and ", other, " lose each other for ", duration.count(), " ms"));
  cuts_[{one, other}] = now_ + duration;
  cuts_[{other, one}] = now_ + duration;
}

// While a quorum changes the primary goes on for a moment under the old one. Standbys fall behind,
// and then it is lost.
void Simulation::LoseDuringQuorumChange() {
  const controller::Durable& durable = state_.durable;
  if (durable.stage == controller::Stage::kRunning && !durable.older.empty() && Chance(100)) {
    LoseThePrimarySoon();
  }
}

void Simulation::LoseThePrimarySoon() {
  const controller::Durable& durable = state_.durable;
  for (const std::string& node : durable.spec.nodes) {
    if (node != durable.primary) {
      CutMembers(durable.primary, node, Duration{6'000});
    }
  }
  isolate_at_[durable.primary] = now_ + Duration{200 + Random(1'500)};
}

void Simulation::FaultOfVm(Vm& vm) {
  if (!vm.powered) {
    if (FaultHits(60)) {
      Say(absl::StrCat(vm.name, " boots"));
      vm.powered = true;
      vm.frozen_until = now_;
      vm.booted_at = now_;
      vm.clock_at_boot = Random(60'000);
    }
  } else if (FaultHits(12)) {
    Say(absl::StrCat(vm.name, " loses power"));
    if (options_.broken.memory_not_durable) {
      vm.disk.memory.epoch -= std::min<uint64_t>(vm.disk.memory.epoch, Random(3));
    }
    const bool noticed = Random(2) == 0;
    Disconnect(vm, noticed);
    vm.LosePower();
  } else if (FaultHits(12)) {
    Say(absl::StrCat(vm.name, ": PostgreSQL is killed"));
    vm.Crash();
  } else if (FaultHits(8)) {
    vm.hung_until = now_ + Duration{Random(15'000)};
    Say(absl::StrCat(vm.name, ": PostgreSQL answers no new connection"));
  } else if (FaultHits(8)) {
    vm.frozen_until = now_ + Duration{Random(Random(3) == 0 ? 40'000 : 12'000)};
    Say(absl::StrCat(vm.name, " freezes"));
  } else if (FaultHits(6)) {
    vm.agent_frozen_until = now_ + Duration{Random(20'000)};
    Say(absl::StrCat(vm.name, ": the agent freezes"));
  } else if (FaultHits(6)) {
    vm.disk_stuck_until = now_ + Duration{Random(15'000)};
    Say(absl::StrCat(vm.name, ": the disk hangs"));
  }
}

// Mostly as long as detection and votes take, now and then longer than a lease.
void Simulation::FaultOfNetwork(Vm& vm) {
  const Duration duration{Random(4) == 0 ? 10'000 + Random(30'000) : Random(8'000)};
  if (FaultHits(20)) {
    const std::string other = Random(2) == 0 ? "ctl" : AnyVm().name;
    const uint32_t direction = Random(3);
    if (direction != 0) {
      cuts_[{vm.name, other}] = now_ + duration;
    }
    if (direction != 1) {
      cuts_[{other, vm.name}] = now_ + duration;
    }
    Say(absl::StrCat(vm.name,
                     direction == 1   ? " no longer reaches "
                     : direction == 0 ? " no longer hears "
                                      : " is cut from ",
                     other, " for ", duration.count(), " ms"));
    if (other == "ctl" && Random(2) == 0) {
      Disconnect(vm, /*noticed=*/true);
    }
  } else if (FaultHits(8)) {
    Isolate(vm, duration);
  } else if (FaultHits(4)) {
    OutliveTheLease(vm);
  } else if (!witness_.empty() && FaultHits(15)) {
    Divide();
  }
}

// First it hears no controller for longer than a lease, and lives on its witnesses; then it loses
// those too.
void Simulation::OutliveTheLease(Vm& vm) {
  Say(absl::StrCat(vm.name, " is cut from the controller, and later from everything"));
  const BootTime later = now_ + Duration{11'000 + Random(6'000)};
  cuts_[{vm.name, "ctl"}] = later;
  cuts_[{"ctl", vm.name}] = later;
  isolate_at_[vm.name] = later;
}

void Simulation::Isolate(Vm& vm, Duration duration) {
  Say(absl::StrCat(vm.name, " is cut from everything for ", duration.count(), " ms"));
  cuts_[{vm.name, "ctl"}] = now_ + duration;
  cuts_[{"ctl", vm.name}] = now_ + duration;
  for (const auto& [name, other] : vms_) {
    cuts_[{vm.name, name}] = now_ + duration;
    cuts_[{name, vm.name}] = now_ + duration;
  }
}

void Simulation::CopyStore() {
  copies_.push_back(stored_);
  if (copies_.size() > kCopiesKept) {
    copies_.pop_front();
  }
}

void Simulation::RestoreOldStore() {
  if (!copies_.empty()) {
    RestoreStore(copies_[Random(static_cast<uint32_t>(copies_.size()))]);
  }
}

// As the manual says, the controller is told so.
void Simulation::RestoreStore(const controller::Durable& copy) {
  stored_ = copy;
  stored_.quarantined = true;
  RestartController(absl::StrCat("and its store is restored as it was at epoch ", stored_.epoch));
}

// Messages wait in its sockets meanwhile, and streams end without its notice.
void Simulation::FreezeController() {
  controller_frozen_since_ = now_;
  controller_thaws_ = now_ + Duration{1'000 + Random(Random(3) == 0 ? 40'000 : 9'000)};
  Say("the controller freezes");
}

void Simulation::ThawController() {
  const Duration missed = now_ - *controller_frozen_since_;
  controller_frozen_since_.reset();
  Say("the controller goes on");
  Feed(controller::WatchInterrupted{missed});
  for (const auto& [name, vm] : vms_) {
    const auto member = state_.members.find(name);
    if (ControllerActs() && member != state_.members.end() && member->second.connected &&
        vm.connection == 0) {
      Feed(controller::AgentDisconnected{name});
    }
  }
}

// A host that moves all its VMs.
void Simulation::FreezeEverything(Duration duration) {
  FreezeController();
  controller_thaws_ = now_ + duration;
  for (auto& [name, vm] : vms_) {
    vm.frozen_until = now_ + duration;
  }
  Say("everything freezes");
}

void Simulation::Operate(Vm& vm) {
  if (!ControllerActs()) {
    return;
  }
  if (FaultHits(40)) {
    CopyStore();
  }
  if (FaultHits(2)) {
    RestoreOldStore();
    return;
  }
  if (FaultHits(4)) {
    FreezeController();
    return;
  }
  if (FaultHits(2)) {
    FreezeEverything(Duration{Random(15'000)});
    return;
  }
  if (FaultHits(5)) {
    RestartController("as it is killed");
  } else if (FaultHits(10)) {
    AskForSwitchover(vm);
  } else if (FaultHits(5)) {
    Feed(controller::FailoverRequested{Random(2) == 0 ? "" : vm.name, false});
  } else if (FaultHits(4)) {
    ApplySpec(vm);
  }
}

void Simulation::AskForSwitchover(Vm& vm) {
  const uint32_t what = Random(4);
  if (what == 0) {
    DoomedSwitchover(vm);
    return;
  }
  const std::string primary = state_.durable.primary;
  const bool lags = what == 1 && vm.name != primary;
  if (lags) {
    CutMembers(primary, vm.name, Duration{2'000});
  }
  Feed(controller::SwitchoverRequested{lags || Random(2) == 0 ? vm.name : ""});
  if (lags || Random(3) == 0) {
    crash_at_[primary] = now_ + Duration{Random(1'500)};
  }
}

// A third member hears neither the old nor the new primary, and then the new one is lost: who is
// left must not be taken for somebody who has everything.
void Simulation::DoomedSwitchover(Vm& vm) {
  for (const std::string& node : state_.durable.spec.nodes) {
    if (node != vm.name && node != state_.durable.primary) {
      left_behind_ = node;
      doomed_ = vm.name;
      CutMembers(state_.durable.primary, node, Duration{4'000});
    }
  }
  Feed(controller::SwitchoverRequested{vm.name});
}

void Simulation::DoomTheNewPrimary() {
  if (doomed_.empty() || state_.durable.primary != doomed_) {
    return;
  }
  const bool writable = state_.durable.stage == controller::Stage::kRunning;
  CutMembers(doomed_, left_behind_, Duration{20'000});
  if (writable || Chance(2'000)) {
    Say(absl::StrCat(doomed_, " loses power"));
    Disconnect(vms_.at(doomed_), /*noticed=*/true);
    vms_.at(doomed_).LosePower();
    doomed_.clear();
  }
}

void Simulation::ApplySpec(Vm& vm) {
  if (!witness_.empty() && (vm.name == witness_ || Random(3) == 0)) {
    ApplyWitness();
    return;
  }
  ClusterSpec spec = state_.durable.spec;
  const DataDurability durability = spec.synchronous.durability;
  const uint32_t what = Random(5);
  if (what == 0 && spec.nodes.size() > 3) {
    spec.synchronous.number = 3 - spec.synchronous.number;
  } else if (what == 1 && spec.nodes.size() > 2 &&
             spec.nodes.size() > spec.synchronous.number + 1) {
    std::erase(spec.nodes, vm.name);
  } else if (what == 2 && std::count(spec.nodes.begin(), spec.nodes.end(), vm.name) == 0) {
    spec.nodes.push_back(vm.name);
  } else if (what == 3 && durability != DataDurability::kOff) {
    spec.synchronous.durability = DataDurability::kOff;  // for a moment
    Apply(spec);
    if (now_ < controller_back_) {
      return;
    }
    spec = state_.durable.spec;
    spec.synchronous.durability = durability;
    if (Random(2) == 0) {
      LoseThePrimarySoon();
    }
  } else if (durability != DataDurability::kOff) {
    spec.synchronous.durability =
        Random(2) == 0 ? DataDurability::kRequired : DataDurability::kPreferred;
  }
  Apply(spec);
}

void Simulation::Apply(const ClusterSpec& spec) {
  Say("a person applies a spec");
  Feed(controller::SpecApplied{spec});
  if (now_ < controller_back_) {
    return;
  }
  for (const auto& [name, vm] : vms_) {
    const auto member = state_.members.find(name);
    const bool is_new_member = member != state_.members.end() && !member->second.connected;
    const bool is_new_witness = name == state_.durable.spec.witness && !state_.witness.connected;
    if ((is_new_member || is_new_witness) && vm.connection != 0) {
      Feed(controller::AgentConnected{name, AddressOf(name)});  // as the conductor does
    }
  }
}

void Simulation::HealAll() {
  Say("all faults end");
  healed_ = true;
  cuts_.clear();
  isolate_at_.clear();
  crash_at_.clear();
  doomed_.clear();
  BringControllerBack();
  controller_thaws_ = now_;
  for (auto& [name, vm] : vms_) {
    if (!vm.powered) {
      vm.booted_at = now_;
      vm.clock_at_boot = 0;
    }
    vm.powered = true;
    vm.frozen_until = now_;
    vm.agent_frozen_until = now_;
    vm.hung_until = now_;
    vm.disk_stuck_until = now_;
  }
  EndCare();
}

}  // namespace pgmahout::sim
