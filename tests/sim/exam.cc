// SPDX-License-Identifier: Apache-2.0
// Liveness: once all is well, one fault at a time must be survived without a person, and in time.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controller/core/status.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {
namespace {

constexpr Duration kLook{1'000};
constexpr Duration kLatestMessage{2'000};  // none is slower (messages.cc)

}  // namespace

bool Simulation::Await(const std::function<bool()>& holds, Duration limit, Duration period) {
  for (Duration passed{0}; passed < limit && broken_.empty(); passed += period) {
    Advance(period, /*with_faults=*/false);
    if (holds()) {
      return true;
    }
  }
  return false;
}

void Simulation::AwaitHealthy(Duration limit, const std::string& after) {
  if (Await([this] { return controller::PhaseOf(state_, now_).name == "Healthy"; }, limit, kLook)) {
    return;
  }
  if (state_.durable.quarantined && !person_decided_) {
    AcceptLoss();
    AwaitHealthy(limit, "a person accepted a loss");
    return;
  }
  const controller::Phase phase = controller::PhaseOf(state_, now_);
  Break(absl::StrCat("I10: ", limit.count() / 1'000, " s after ", after, " the cluster is ",
                     phase.name, ": ", phase.reason));
}

// The store is old, and the primary of the lost one does not run: a person has to decide. What was
// acknowledged is no longer promised.
void Simulation::AcceptLoss() {
  person_decided_ = true;
  acknowledged_.clear();
  Say("a person accepts a loss");
  Feed(controller::FailoverRequested{"", true});
}

void Simulation::LoseForGood(Vm& vm) {
  Say(absl::StrCat(vm.name, " loses power for good"));
  Disconnect(vm, /*noticed=*/true);
  vm.LosePower();
}

void Simulation::Exam() {
  if (!state_.durable.spec.witness.empty() && Random(2) == 0) {
    LoseStandbyAndController();
    return;
  }
  switch (Random(5)) {
    case 0:
    case 1:
      LoseThePrimary();
      break;
    case 2:
      LoseStandbys();
      break;
    case 3:
      LoseTheController();
      break;
    default:
      SwitchOver();
  }
}

// Its VM is gone, or cut off from everything; the others go on without it.
void Simulation::LoseThePrimary() {
  const controller::Durable& durable = state_.durable;
  Vm& lost = Primary();
  size_t candidates = 0;
  for (const std::string& node : durable.spec.nodes) {
    const auto priority = durable.spec.failover.priority.find(node);
    candidates += node != lost.name &&
                  (priority == durable.spec.failover.priority.end() || priority->second > 0);
  }
  const bool all_may = candidates + 1 == durable.spec.nodes.size();
  if (!broken_.empty() || durable.spec.nodes.size() < 2 || !all_may) {
    return;  // who may not be promoted may hold the newest commit
  }
  if (durable.spec.nodes.size() > 2 && Random(2) == 0) {  // a person asked just before
    const std::string target = AnyVm().name;
    CutMembers(lost.name, target, Duration{3'000});
    Advance(Duration{2'000}, /*with_faults=*/false);
    Feed(controller::SwitchoverRequested{target});
  }
  const bool cut = Random(2) == 0;
  if (cut) {
    Isolate(lost, Duration{120'000});
  } else {
    LoseForGood(lost);
  }
  const std::string name = lost.name;
  Advance(Duration{40'000}, /*with_faults=*/false);
  const bool asynchronous = durable.spec.synchronous.durability == DataDurability::kOff;
  if (broken_.empty() && state_.durable.primary == name && !asynchronous) {
    Break(absl::StrCat("I10: 40 s after the loss of ", name,
                       " nobody has taken over: ", controller::PhaseOf(state_, now_).reason));
  }
  HealAll();
  AwaitHealthy(kHealing, "the lost primary came back");
}

// One standby after the other: `preferred` goes on alone, and who was lost first is not waited for
// when the primary is lost after it.
void Simulation::LoseStandbys() {
  const controller::Durable durable = state_.durable;
  if (!broken_.empty() || durable.spec.nodes.size() < 2) {
    return;
  }
  for (const std::string& node : durable.spec.nodes) {
    if (node != durable.primary) {
      LoseForGood(vms_.at(node));
      Advance(Duration{15'000}, /*with_faults=*/false);
    }
  }
  Advance(Duration{10'000}, /*with_faults=*/false);
  const size_t before = committed_;
  Advance(Duration{10'000}, /*with_faults=*/false);
  const bool may_commit = durable.spec.synchronous.durability != DataDurability::kRequired;
  if (broken_.empty() && may_commit != (committed_ > before)) {
    Break(absl::StrCat("I10: without standbys writes ", may_commit ? "have stopped" : "go on"));
  }
  HealAll();
  AwaitHealthy(kHealing, "the lost standbys came back");
}

// Losing the controller costs failover, never writes.
void Simulation::LoseTheController() {
  if (!broken_.empty()) {
    return;
  }
  EndController("for a while", Duration{45'000});
  const size_t before = committed_;
  Advance(Duration{30'000}, /*with_faults=*/false);
  const size_t at_30 = committed_;
  Advance(Duration{10'000}, /*with_faults=*/false);
  if (broken_.empty() && (at_30 == before || committed_ == at_30)) {
    Break("I10: without the controller writes have stopped");
  }
  AwaitHealthy(Duration{60'000}, "the controller came back");
}

void Simulation::SwitchOver() {
  is_calm_ = true;  // with a short detectAfter a message that comes late has it given up
  Advance(kLatestMessage, /*with_faults=*/false);
  const std::string old = state_.durable.primary;
  if (broken_.empty() && state_.durable.spec.nodes.size() > 1 &&
      controller::CheckSwitchover(state_, "", now_).ok()) {
    Feed(controller::SwitchoverRequested{""});
    AwaitHealthy(Duration{60'000}, "a switchover");
    if (broken_.empty() && state_.durable.primary == old) {
      Break("I10: a switchover has not moved the primary");
    }
  }
  is_calm_ = false;
}

}  // namespace pgmahout::sim
