// SPDX-License-Identifier: Apache-2.0
// People who pause the cluster, put members into maintenance, ask for new copies and restarts, and
// stop or start servers by hand meanwhile. In two of five seeds, with chance of its own.
#include "controller/core/care.h"

#include <algorithm>
#include <iterator>
#include <variant>

#include "absl/strings/str_cat.h"
#include "controller/core/status.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {
namespace {

constexpr Duration kCareLook{500};

}  // namespace

bool Simulation::HasCare() const {
  return options_.seed % 5 == 1 || options_.seed % 5 == 3;
}

Vm& Simulation::AnyVmForCare() {
  return std::next(vms_.begin(), static_cast<std::ptrdiff_t>(care_() % vms_.size()))->second;
}

void Simulation::Care() {
  if (!HasCare()) {
    return;
  }
  for (auto& [name, vm] : vms_) {
    WorkByHand(vm);
  }
  if (now_ < controller_back_) {
    return;
  }
  const std::string node = AnyVmForCare().name;
  const controller::Durable& durable = state_.durable;
  if (CareHits(durable.paused ? 60 : 12)) {
    Feed(controller::PauseRequested{!durable.paused});
  } else if (CareHits(durable.maintenance.count(node) > 0 ? 80 : 12)) {
    Feed(controller::MaintenanceRequested{node, durable.maintenance.count(node) == 0});
  } else if (CareHits(20)) {
    Feed(controller::ReinitRequested{node});
  } else if (CareHits(12)) {
    Feed(controller::RestartRequested{CareHits(5'000) ? node : "", true, CareHits(5'000)});
  }
}

// Where its agent keeps its hands off, a person stops a server, and starts what was stopped.
void Simulation::WorkByHand(Vm& vm) {
  const bool allowed = vm.Acts(now_) && vm.orders.desired.has_value() &&
                       vm.orders.desired->hands_off && now_ >= vm.disk_stuck_until;
  if (!allowed) {
    return;
  }
  const bool starts_as_it_was =
      vm.disk.complete &&
      (vm.disk.standby_signal || vm.orders.desired->assignment == Assignment::kPrimary);
  if (vm.server.running && !vm.server.stopping && CareHits(60)) {
    Say(absl::StrCat(vm.name, ": a person stops PostgreSQL"));
    agent::Step step;
    StopFast(vm, step);
  } else if (!vm.server.running && vm.disk.exists && starts_as_it_was && CareHits(100)) {
    Say(absl::StrCat(vm.name, ": a person starts PostgreSQL"));
    vm.StartServer(now_);
    if (vm.IsPrimary()) {
      BecamePrimary(vm, vm.disk.memory.epoch, /*promoted=*/false);
    }
  }
}

// Liveness is demanded only where nobody forbids it.
void Simulation::EndCare() {
  if (!HasCare()) {
    return;
  }
  Feed(controller::PauseRequested{false});
  for (const auto& [name, vm] : vms_) {
    Feed(controller::MaintenanceRequested{name, false});
  }
}

void Simulation::CheckCare(const controller::Durable& before, const controller::Event& event) {
  const controller::Durable& after = state_.durable;
  // A store that is too old learns of epochs that were begun before.
  const bool was_paused = before.paused && after.paused && !after.quarantined &&
                          !before.quarantined && before.stage == controller::Stage::kRunning;
  // One that had gone on alone stays primary, but needs a new epoch to be safe.
  const bool goes_on =
      after.primary == before.primary && after.stage == controller::Stage::kPromoting;
  if (was_paused && after.epoch != before.epoch && !goes_on &&
      !std::holds_alternative<controller::FailoverRequested>(event)) {
    Break("a paused cluster changes its primary by itself");
  }
  if (healed_ && !gave_up_ && after.restart.nodes.size() < before.restart.nodes.size()) {
    const Vm& vm = vms_.at(before.restart.nodes.front());
    if (!vm.IsPrimary() && vm.server.receives_from.empty()) {
      Break(absl::StrCat(vm.name, " passes for restarted although it does not stream"));
    }
  }
  if (after.reinit.is_ordered && !before.reinit.is_ordered) {
    for (const Quorum& quorum : {after.quorum, before.quorum}) {
      for (const std::string& standby : quorum.standbys) {
        if (standby == after.reinit.node) {
          Break(absl::StrCat("I7: ", standby, " is copied anew although commits rest on it"));
        }
      }
    }
  }
}

// ---- What must work once all is well ----

void Simulation::CareExam() {
  if (!HasCare() || !broken_.empty() || state_.durable.spec.nodes.size() < 2) {
    return;
  }
  gave_up_ = false;  // a new primary may not be heard in time, for example
  switch (care_() % 4) {
    case 0:
      PauseExam();
      break;
    case 1:
      MaintenanceExam();
      break;
    case 2:
      ReinitExam();
      break;
    default:
      RestartExam();
  }
}

bool Simulation::NothingIsAskedFor() const {
  return state_.durable.reinit.node.empty() && state_.durable.restart.nodes.empty();
}

void Simulation::PauseExam() {
  const std::string primary = state_.durable.primary;
  Feed(controller::PauseRequested{true});
  Advance(Duration{3'000}, /*with_faults=*/false);
  Say(absl::StrCat(primary, ": PostgreSQL is killed during the pause"));
  Primary().Crash();
  Advance(Duration{25'000}, /*with_faults=*/false);
  if (broken_.empty() && (state_.durable.primary != primary || Primary().server.running ||
                          controller::PhaseOf(state_, now_).name != "Paused")) {
    Break("during a pause something was repaired or moved");
  }
  Feed(controller::PauseRequested{false});
  AwaitHealthy(kHealing, "a pause in which the primary was lost");
}

void Simulation::MaintenanceExam() {
  const std::string node = care_() % 2 == 0 ? state_.durable.primary : AnyVmForCare().name;
  if (!controller::CheckMaintenance(state_, {node, true}, now_).ok()) {
    return;
  }
  Feed(controller::MaintenanceRequested{node, true});
  Advance(Duration{30'000}, /*with_faults=*/false);
  const controller::Durable& durable = state_.durable;
  if (broken_.empty() && !gave_up_ &&
      (durable.maintenance.count(node) == 0 || durable.primary == node ||
       std::count(durable.quorum.standbys.begin(), durable.quorum.standbys.end(), node) > 0)) {
    Break(absl::StrCat("I10: after 30 s ", node, " is not yet free for maintenance"));
  }
  vms_.at(node).Crash();
  Advance(Duration{20'000}, /*with_faults=*/false);
  if (broken_.empty() && !gave_up_ && vms_.at(node).server.running) {
    Break(absl::StrCat(node, " was started although it is in maintenance"));
  }
  Feed(controller::MaintenanceRequested{node, false});
  AwaitHealthy(kHealing, "a maintenance");
}

void Simulation::ReinitExam() {
  const std::string node = AnyVmForCare().name;
  if (!controller::CheckReinit(state_, {node}, now_).ok()) {
    return;
  }
  const uint64_t directory = vms_.at(node).disk.memory.data_number;
  Feed(controller::ReinitRequested{node});
  if (!Await([this] { return NothingIsAskedFor(); }, Duration{120'000}, kCareLook) &&
      broken_.empty()) {
    Break(absl::StrCat("I10: ", node, " is not copied anew"));
  }
  if (broken_.empty() && !gave_up_ && vms_.at(node).disk.memory.data_number != directory + 1) {
    Break(absl::StrCat(node, " has not exactly one new data directory"));
  }
  AwaitHealthy(Duration{60'000}, "a new copy");
}

void Simulation::RestartExam() {
  const controller::RestartRequested request{"", true, care_() % 2 == 0};
  if (!controller::CheckRestart(state_, request, now_).ok()) {
    return;
  }
  // Not a member whose server is not known to run.
  std::map<std::string, uint64_t> before;
  for (const std::string& node : controller::MembersToRestart(state_, request)) {
    before[node] = vms_.at(node).server.started;
  }
  Feed(request);
  if (!Await([this] { return NothingIsAskedFor(); }, Duration{180'000}, kCareLook) &&
      broken_.empty()) {
    Break("I10: a rolling restart does not end");
  }
  for (const auto& [node, server] : before) {
    if (broken_.empty() && !gave_up_ && vms_.at(node).server.started == server) {
      Break(absl::StrCat(node, " was not restarted"));
    }
  }
  AwaitHealthy(Duration{60'000}, "a rolling restart");
}

}  // namespace pgmahout::sim
