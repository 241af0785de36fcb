// SPDX-License-Identifier: Apache-2.0
// Drills: situations that chance alone makes once in many thousand runs, played step by step, with
// chance only in the details. A drill replaces the random faults of a run; the exams follow it.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/pg/names.h"
#include "controller/core/quorum.h"
#include "controller/core/status.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {
namespace {

constexpr Duration kLook{50};

}  // namespace

const std::map<std::string, void (Simulation::*)()>& Simulation::Drills() {
  static const std::map<std::string, void (Simulation::*)()> drills = {
      {"left-behind", &Simulation::LeaveBehindOnOldTimeline},
      {"lost-source", &Simulation::LoseTheSourceOfARewind},
      {"rewind-in-vain", &Simulation::RewindInVain},
      {"old-store", &Simulation::RestoreOldStoreBesideTwoPrimaries},
      {"promise-taken-back", &Simulation::TakeThePromiseBack},
      {"followed-last", &Simulation::LoseWhoFollowed},
      {"word-in-vain", &Simulation::GiveTheWordInVain},
      {"alone-unheard", &Simulation::GoOnAloneUnheard},
      {"word-unheard", &Simulation::AskForTheWordInVain},
      {"word-of-before", &Simulation::HearTheWordOfBefore},
      {"two-of-one-number", &Simulation::BeginOneTimelineTwice},
      {"former-primary", &Simulation::NameTheFormerPrimary},
      {"two-controllers", &Simulation::GoToAnotherControllerAndBack},
  };
  return drills;
}

bool Simulation::IsDrill(const std::string& name) {
  return Drills().count(name) > 0;
}

void Simulation::Drill() {
  (this->*Drills().at(options_.drill))();
}

bool Simulation::AwaitNewPrimary(const std::string& old) {
  return Await(
      [this, &old] {
        return state_.durable.primary != old && state_.durable.stage == controller::Stage::kRunning;
      },
      Duration{40'000}, kLook);
}

// `node` is no longer cut from anything.
void Simulation::HearAgain(const std::string& node) {
  std::erase_if(cuts_, [&node](const auto& cut) {
    return cut.first.first == node || cut.first.second == node;
  });
}

void Simulation::KillServer(const std::string& node) {
  Say(node + ": PostgreSQL is killed");
  vms_.at(node).Crash();
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
  KillServer(old);
  if (!AwaitNewPrimary(old)) {
    return;
  }
  cuts_.erase({old, behind});
  cuts_.erase({behind, old});
  ClusterSpec spec = state_.durable.spec;
  spec.synchronous.durability = DataDurability::kPreferred;
  Apply(spec);
  const size_t promised = acknowledged_.size();
  Await([this, promised] { return acknowledged_.size() > promised; }, Duration{20'000}, kLook);
  CutMembers(old, "ctl", Duration{30'000});
  CutMembers(old, behind, Duration{30'000});
  cuts_.erase({ahead, "ctl"});
  cuts_.erase({"ctl", ahead});
  Await([this, &ahead] { return vms_.at(ahead).connection != 0; }, Duration{2'000}, kLook);
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
  Await([this, &old] { return !vms_.at(old).server.running; }, Duration{20'000}, kLook);
  for (const std::string& node : Standbys()) {
    if (node != old) {
      CutMembers(source, node, Duration{60'000});
    }
  }
  const auto was_rewound = [this, &old] {
    const Disk& disk = vms_.at(old).disk;
    return disk.standby_signal && disk.min_recovery_lsn.valid();
  };
  Await(was_rewound, Duration{20'000}, kLook);
  LoseForGood(vms_.at(source));
  Advance(Duration{40'000}, /*with_faults=*/false);
}

// A former primary is away until its slot is lost. The new one has removed WAL since, so that what
// is rewound to it cannot start.
void Simulation::RewindInVain() {
  const std::string old = state_.durable.primary;
  if (Standbys().empty()) {
    return;
  }
  Isolate(Primary(), Duration{200'000});
  if (!AwaitNewPrimary(old)) {
    return;
  }
  const auto is_lost = [this, &old] { return !HasSlot(Primary(), SlotNameOf(old)); };
  Await(is_lost, Duration{150'000}, kLook);
  Advance(Duration{Random(10'000)}, /*with_faults=*/false);
  HealAll();
  is_calm_ = true;  // another change of primary would begin the minute anew
  AwaitHealthy(kHealing, "a rewind in vain");
  is_calm_ = false;
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
  Await([&] { return word.alone_epoch == state_.durable.epoch; }, Duration{30'000}, kLook);
  HealAll();
  AwaitHealthy(kHealing, "a word in vain");
  LoseThePrimary();
}

// The primary has gone on alone when the controller comes back, which hears the standby and the
// witness, but not the primary.
void Simulation::GoOnAloneUnheard() {
  if (witness_.empty()) {
    return;
  }
  const std::string primary = state_.durable.primary;
  CutMembers(primary, Standbys().front(), Duration{90'000});
  CutMembers(primary, "ctl", Duration{90'000});
  EndController("for a while", Duration{60'000});
  const agent::Memory& memory = vms_.at(primary).disk.memory;
  Await([&] { return agent::IsAlone(memory); }, Duration{30'000}, kLook);
  BringControllerBack();
  Advance(Duration{40'000}, /*with_faults=*/false);
}

// The witness let the primary go on alone. At the next epoch all is well, but its server still
// holds the connection on which that was said when it is cut from everything once more.
void Simulation::HearTheWordOfBefore() {
  if (witness_.empty()) {
    return;
  }
  const std::string primary = state_.durable.primary;
  const uint64_t before = state_.durable.epoch;
  CutMembers(primary, Standbys().front(), Duration{60'000});
  EndController("for a while", Duration{60'000});
  const agent::Memory& word = vms_.at(witness_).disk.memory;
  Await([&] { return word.alone_epoch == before; }, Duration{30'000}, kLook);
  Advance(Duration{Random(2'000)}, /*with_faults=*/false);
  cuts_.clear();
  BringControllerBack();
  vms_.at(witness_).visits_on = 0;
  const auto is_named_again = [&] {
    return state_.durable.epoch > before && state_.durable.quorum.witness == witness_ &&
           !controller::IsUnconfirmed(state_.durable);
  };
  Await(is_named_again, Duration{10'000}, kLook);
  Isolate(vms_.at(primary), Duration{40'000});
  Advance(Duration{50'000}, /*with_faults=*/false);
}

// The witness is asked for its word while its disk hangs, and loses power before it could store it.
// What it has not stored it must not have said.
void Simulation::AskForTheWordInVain() {
  if (witness_.empty()) {
    return;
  }
  const std::string primary = state_.durable.primary;
  Vm& witness = vms_.at(witness_);
  witness.disk_stuck_until = now_ + Duration{60'000};
  CutMembers(primary, Standbys().front(), Duration{60'000});
  EndController("for a while", Duration{60'000});
  Await([&] { return witness.visit.has_value() && witness.visit->wished_epoch != 0; },
        Duration{30'000}, kLook);
  Advance(Duration{2'000 + Random(2'000)}, /*with_faults=*/false);
  Isolate(vms_.at(primary), Duration{60'000});
  Say(absl::StrCat(witness_, " loses power and boots"));
  witness.LosePower();
  witness.powered = true;
  witness.booted_at = now_;
  witness.disk_stuck_until = now_;
  BringControllerBack();
  Advance(Duration{40'000}, /*with_faults=*/false);
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
  KillServer(old);
  Await([this] { return state_.durable.stage == controller::Stage::kFencing; }, Duration{10'000},
        kLook);
  ClusterSpec spec = state_.durable.spec;
  spec.synchronous.durability = DataDurability::kOff;
  Apply(spec);
  Advance(Duration{20'000}, /*with_faults=*/false);
}

// A standby is away; what was promised meanwhile is on the other one alone. A person turns
// synchronous replication off. Then all who have it are lost, before the one that was away has
// caught up: it stays away, or comes back a moment before, or sees one more change of primary.
void Simulation::LoseWhoFollowed() {
  if (Standbys().size() != 2) {
    return;
  }
  const std::string old = state_.durable.primary;
  const uint32_t which = Random(2);
  const std::string away = Standbys()[which];
  const std::string other = Standbys()[1 - which];
  Isolate(vms_.at(away), Duration{60'000});
  ClusterSpec spec = state_.durable.spec;
  spec.synchronous.durability = DataDurability::kPreferred;
  Apply(spec);
  const size_t promised = acknowledged_.size();
  Await([this, promised] { return acknowledged_.size() > promised; }, Duration{20'000}, kLook);
  spec.synchronous.durability = DataDurability::kOff;
  Apply(spec);
  const auto has_left = [this, &away] {
    return !controller::IsInAnyQuorum(state_.durable, away) &&
           state_.durable.stage == controller::Stage::kRunning;
  };
  Await(has_left, Duration{30'000}, kLook);
  const uint32_t what = Random(3);
  if (what == 1) {  // it streams again, but slowly: it has not caught up
    HearAgain(away);
    Await([&] { return controller::IsInAnyQuorum(state_.durable, away); }, Duration{5'000}, kLook);
    Advance(Duration{Random(300)}, /*with_faults=*/false);
  } else if (what == 2) {
    KillServer(old);
    Isolate(vms_.at(old), Duration{60'000});
    AwaitNewPrimary(old);
    HearAgain(away);
    Advance(Duration{Random(1'500)}, /*with_faults=*/false);
  }
  Isolate(vms_.at(old), Duration{60'000});
  Isolate(vms_.at(other), Duration{60'000});
  vms_.at(state_.durable.primary).Crash();
  HearAgain(away);
  CutMembers(away, old, Duration{60'000});
  CutMembers(away, other, Duration{60'000});
  Advance(Duration{45'000}, /*with_faults=*/false);
}

// A candidate becomes writable and one standby streams from it, both unheard; then the candidate
// ends. The standby that is left takes over, and begins a timeline of its own where the first one
// left: two histories from one fork.
void Simulation::BeginOneTimelineTwice() {
  if (Standbys().size() < 3) {
    return;
  }
  const std::string old = state_.durable.primary;
  KillServer(old);
  Await([this] { return state_.durable.stage == controller::Stage::kPromoting; }, Duration{10'000},
        kLook);
  const std::string candidate = state_.durable.primary;
  cuts_[{candidate, "ctl"}] = now_ + Duration{60'000};
  std::string follower;
  for (const std::string& node : Standbys()) {
    if (node == old) {
      continue;
    }
    if (follower.empty()) {
      follower = node;
    } else {
      CutMembers(candidate, node, Duration{60'000});
    }
  }
  cuts_[{follower, "ctl"}] = now_ + Duration{60'000};
  const auto follows = [&] {
    const Vm& vm = vms_.at(follower);
    return vm.disk.timeline == vms_.at(candidate).disk.timeline && vm.disk.timeline > 1;
  };
  Await(follows, Duration{5'000}, kLook);
  Advance(Duration{Random(1'000)}, /*with_faults=*/false);
  CutMembers(follower, "ctl", Duration{60'000});
  cuts_.erase({candidate, "ctl"});
  KillServer(candidate);
  AwaitNewPrimary(candidate);
}

// A primary is replaced, and all who followed its successor are gone. A person names the former
// one; later the others come back.
void Simulation::NameTheFormerPrimary() {
  const std::string old = state_.durable.primary;
  if (Standbys().empty() || state_.durable.spec.failover.priority.count("db2") > 0) {
    return;
  }
  KillServer(old);
  Isolate(vms_.at(old), Duration{60'000});
  if (!AwaitNewPrimary(old)) {
    return;
  }
  Advance(Duration{Random(5'000)}, /*with_faults=*/false);
  for (auto& [name, vm] : vms_) {
    if (name != old) {
      LoseForGood(vm);
    }
  }
  cuts_.clear();
  Advance(Duration{30'000}, /*with_faults=*/false);
  person_decided_ = true;
  acknowledged_.clear();
  const auto is_primary = [&] {
    return state_.durable.primary == old && state_.durable.stage == controller::Stage::kRunning;
  };
  const auto is_asked_for_or_done = [&] { return state_.durable.target == old || is_primary(); };
  for (int i = 0; i < 5 && !is_asked_for_or_done(); ++i) {  // the controller may end meanwhile
    Feed(controller::FailoverRequested{old, true});
    Await(is_asked_for_or_done, Duration{5'000}, kLook);
  }
  if (!Await(is_primary, Duration{60'000}, kLook) && broken_.empty()) {
    Break(absl::StrCat(
        "I10: ", old, " was named and is not primary: ", controller::PhaseOf(state_, now_).reason));
  }
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
