// SPDX-License-Identifier: Apache-2.0
// A second controller, which runs on a copy of the store beside the first one. Each agent dials one
// of them at a time. While an event concerns the second one it is in the first one's place.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {

void Simulation::ChangePlaces() {
  std::swap(state_, twin_->state);
  std::swap(stored_, twin_->stored);
  std::swap(incarnation_, twin_->incarnation);
  std::swap(opening_, twin_->opening);
  std::swap(controller_back_, twin_->back);
  twin_acts_ = !twin_acts_;
}

void Simulation::At(bool twin, const std::function<void()>& act) {
  const bool is_elsewhere = twin != twin_acts_;
  if (is_elsewhere) {
    ChangePlaces();
  }
  act();
  if (is_elsewhere) {
    ChangePlaces();
  }
}

void Simulation::CopyController() {
  Say("a second controller begins, on a copy of the store");
  twin_ = Twin{controller::Restore(stored_, now_), stored_, incarnation_ + 1, ++openings_, now_};
}

void Simulation::EndTwin() {
  Say("the second controller ends for good");
  for (auto& [name, vm] : vms_) {
    if (vm.dials_twin) {
      vm.connection = 0;
      vm.dials_twin = false;
    }
  }
  twin_.reset();
}

// As the conductor does: who has obeyed another controller may know more than this store.
void Simulation::NoticeOldStore(const Up& message) {
  const bool is_other = message.obeyed_incarnation == incarnation_ && message.obeyed_opening != 0 &&
                        message.obeyed_opening != opening_;
  if ((message.obeyed_incarnation > incarnation_ || is_other) &&
      !options_.broken.old_store_goes_unnoticed) {
    incarnation_ = message.obeyed_incarnation + 1;
    Feed(controller::StoreIsOld{
        absl::StrCat("an agent has obeyed number ", message.obeyed_incarnation, " of opening ",
                     message.obeyed_opening),
        incarnation_});
  }
}

// In any order, one after the other.
void Simulation::DialTheOther() {
  std::vector<Vm*> all;
  for (auto& [name, vm] : vms_) {
    all.push_back(&vm);
  }
  while (!all.empty()) {
    const size_t which = Random(static_cast<uint32_t>(all.size()));
    Vm& vm = *all[which];
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(which));
    Disconnect(vm, /*noticed=*/Random(2) == 0);
    vm.dials_twin = !vm.dials_twin;
    Say(absl::StrCat(vm.name, " dials the ", vm.dials_twin ? "second" : "first", " controller"));
    Advance(Duration{Random(2'000)}, /*with_faults=*/false);
  }
}

// A copy of the controller's machine is started, and all agents come to it; the first one goes on
// and hears nobody. Much happens. Then the agents come back to the first one, which has to find out
// that its store tells of the past.
void Simulation::GoToAnotherControllerAndBack() {
  AwaitHealthy(Duration{60'000}, "the beginning");
  CopyController();
  if (Random(2) == 0) {
    RestartController("and opens its store under the number that the second one has");
  }
  DialTheOther();
  At(/*twin=*/true, [this] {
    Advance(Duration{30'000}, /*with_faults=*/true);
    HealAll();
    AwaitHealthy(kHealing, "the faults beside the first controller");
  });
  DialTheOther();
  Advance(Duration{Random(5'000)}, /*with_faults=*/false);
  EndTwin();
}

}  // namespace pgmahout::sim
