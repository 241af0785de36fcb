// SPDX-License-Identifier: Apache-2.0
// Drills: situations that chance alone makes once in many thousand runs, played step by step, with
// chance only in the details. A drill replaces the random faults of a run; the exams follow it.
#include <algorithm>

#include "tests/sim/simulation.h"

namespace pgmahout::sim {

const std::map<std::string, void (Simulation::*)()>& Simulation::Drills() {
  static const std::map<std::string, void (Simulation::*)()> drills = {
      {"left-behind", &Simulation::LeaveBehindOnOldTimeline},
      {"lost-source", &Simulation::LoseTheSourceOfARewind},
      {"old-store", &Simulation::RestoreOldStoreBesideTwoPrimaries},
      {"promise-taken-back", &Simulation::TakeThePromiseBack},
      {"word-in-vain", &Simulation::GiveTheWordInVain},
  };
  return drills;
}

bool Simulation::IsDrill(const std::string& name) {
  return Drills().count(name) > 0;
}

void Simulation::Drill() {
  (this->*Drills().at(options_.drill))();
}

bool Simulation::Await(const std::function<bool()>& holds, Duration limit) {
  constexpr Duration kLook{50};
  for (Duration passed{0}; passed < limit && broken_.empty(); passed += kLook) {
    if (holds()) {
      return true;
    }
    Advance(kLook, /*with_faults=*/false);
  }
  return false;
}

bool Simulation::AwaitNewPrimary(const std::string& old) {
  return Await(
      [this, &old] {
        return state_.durable.primary != old && state_.durable.stage == controller::Stage::kRunning;
      },
      Duration{40'000});
}

std::vector<std::string> Simulation::Standbys() const {
  std::vector<std::string> standbys = state_.durable.spec.nodes;
  std::erase(standbys, state_.durable.primary);
  return standbys;
}

// One standby is far ahead of the other and hears nobody but the primary, and the primary ends:
// without synchronous replication the other one takes over and leaves the history of the first.
// Later the new primary stops cleanly, still short of where the first one was.
void Simulation::LeaveBehindOnOldTimeline() {
  if (Standbys().size() != 2) {
    return;
  }
  const std::string old = state_.durable.primary;
  const std::string behind = Standbys()[Random(2)];
  const std::string ahead = behind == Standbys()[0] ? Standbys()[1] : Standbys()[0];
  CutMembers(old, behind, Duration{60'000});
  CutMembers(ahead, "ctl", Duration{60'000});
  Advance(Duration{5'000 + Random(4'000)}, /*with_faults=*/false);
  CutMembers(ahead, old, Duration{60'000});
  CutMembers(ahead, behind, Duration{60'000});
  Say(old + ": PostgreSQL is killed");
  vms_.at(old).Crash();
  if (!AwaitNewPrimary(old)) {
    return;
  }
  cuts_.erase({old, behind});
  cuts_.erase({behind, old});
  ClusterSpec spec = state_.durable.spec;
  spec.synchronous.durability = DataDurability::kPreferred;
  Apply(spec);
  const size_t promised = acknowledged_.size();
  Await([this, promised] { return acknowledged_.size() > promised; }, Duration{20'000});
  CutMembers(old, "ctl", Duration{30'000});
  CutMembers(old, behind, Duration{30'000});
  cuts_.erase({ahead, "ctl"});
  cuts_.erase({"ctl", ahead});
  Await([this, &ahead] { return vms_.at(ahead).connection != 0; }, Duration{2'000});
  Advance(Duration{Random(500)}, /*with_faults=*/false);
  Feed(controller::FailoverRequested{"", false});
  Advance(Duration{20'000}, /*with_faults=*/false);
}

// A former primary is rewound to the new one, which is lost before it has sent what makes the
// rewound one consistent; who takes over then never had that.
void Simulation::LoseTheSourceOfARewind() {
  const std::string old = state_.durable.primary;
  if (Standbys().size() < 2) {
    return;
  }
  Isolate(Primary(), Duration{4'000 + Random(4'000)});
  if (!AwaitNewPrimary(old)) {
    return;
  }
  const std::string source = state_.durable.primary;
  Await([this, &old] { return !vms_.at(old).server.running; }, Duration{20'000});
  for (const std::string& node : Standbys()) {
    if (node != old) {
      CutMembers(source, node, Duration{60'000});
    }
  }
  const auto was_rewound = [this, &old] {
    const Disk& disk = vms_.at(old).disk;
    return disk.standby_signal && disk.min_recovery_lsn.valid();
  };
  Await(was_rewound, Duration{20'000});
  Say(source + " loses power for good");
  Disconnect(vms_.at(source), /*noticed=*/true);
  vms_.at(source).LosePower();
  Advance(Duration{40'000}, /*with_faults=*/false);
}

// The witness lets the primary go on alone, and at that moment all come back: it never does. When
// it is lost later the witness must be believed again.
void Simulation::GiveTheWordInVain() {
  if (witness_.empty()) {
    return;
  }
  const std::string primary = state_.durable.primary;
  CutMembers(primary, Standbys().front(), Duration{60'000});
  EndController("for a while", Duration{60'000});
  const agent::Memory& word = vms_.at(witness_).disk.memory;
  Await([&] { return word.alone_epoch == state_.durable.epoch; }, Duration{30'000});
  HealAll();
  AwaitHealthy(Duration{90'000}, "a word in vain");
  LoseThePrimary();
}

// One of two standbys has confirmed the latest commits and is lost with the primary; while the
// other one votes a person turns synchronous replication off.
void Simulation::TakeThePromiseBack() {
  if (Standbys().size() != 2) {
    return;
  }
  const std::string old = state_.durable.primary;
  const uint32_t which = Random(2);
  CutMembers(old, Standbys()[which], Duration{60'000});
  Advance(Duration{500 + Random(3'000)}, /*with_faults=*/false);
  Isolate(vms_.at(Standbys()[1 - which]), Duration{60'000});
  Say(old + ": PostgreSQL is killed");
  vms_.at(old).Crash();
  Await([this] { return state_.durable.stage == controller::Stage::kFencing; }, Duration{10'000});
  ClusterSpec spec = state_.durable.spec;
  spec.synchronous.durability = DataDurability::kOff;
  Apply(spec);
  Advance(Duration{20'000}, /*with_faults=*/false);
}

// A primary is cut off and replaced. As long as its lease lasts the store is restored as it was
// before, and the controller hears the old primary and nobody else.
void Simulation::RestoreOldStoreBesideTwoPrimaries() {
  const std::string old = state_.durable.primary;
  const controller::Durable copy = stored_;
  if (Standbys().size() < 2) {
    return;
  }
  Isolate(Primary(), Duration{60'000});
  if (!AwaitNewPrimary(old)) {
    return;
  }
  for (const std::string& node : state_.durable.spec.nodes) {
    if (node != old) {
      CutMembers(node, "ctl", Duration{60'000});
    }
  }
  cuts_.erase({old, "ctl"});
  cuts_.erase({"ctl", old});
  RestoreStore(copy);
  BringControllerBack();
  Advance(Duration{40'000}, /*with_faults=*/false);
}

}  // namespace pgmahout::sim
