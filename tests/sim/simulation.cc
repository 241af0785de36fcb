// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/simulation.h"

#include <algorithm>
#include <cstdio>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pgmahout::sim {
namespace {

constexpr Duration kStep{50};
constexpr Duration kSetUp{10'000};
constexpr Duration kFaults{150'000};
constexpr size_t kTraceLines = 160;

}  // namespace

Simulation::Simulation(const Options& options)
    : options_(options), random_(options.seed), care_(~options.seed) {
  ClusterSpec spec;
  spec.name = "orders";
  const uint32_t shape = Random(10);
  const bool two = shape < 2 || options.witness;
  const int nodes = two ? 2 : shape < 8 ? 3 : shape < 9 ? 4 : 5;
  for (int i = 1; i <= nodes; ++i) {
    spec.nodes.push_back(absl::StrCat("db", i));
  }
  if (nodes == 2 && (options.witness || options.seed % 3 == 0)) {
    witness_ = "db9";
    spec.witness = witness_;
  }
  const uint32_t durability = Random(10);
  spec.synchronous.durability = durability <= 1   ? DataDurability::kOff
                                : durability <= 3 ? DataDurability::kRequired
                                                  : DataDurability::kPreferred;
  spec.synchronous.durability = options.durability.value_or(spec.synchronous.durability);
  spec.synchronous.number = nodes > 3 && Random(2) == 0 ? 2 : 1;
  spec.failover.detect_after = Duration{Random(3) == 0 ? 1'000 : 3'000};
  spec.failover.restart_on_crash = Random(4) == 0;
  spec.failover.max_lag_bytes = uint64_t{1} << 40;  // lag is no reason to refuse anything here
  spec.dns.primary = "orders-rw.example.";
  spec.dns.standbys = Random(2) == 0 ? "orders-ro.example." : "";
  archive_ = Random(2) == 0;
  if (archive_) {
    spec.archive_directory = "/archive";
  }
  if (Random(3) == 0) {
    spec.failover.priority["db2"] = Random(2) == 0 ? 0 : 200;
  }
  state_ = controller::Create(spec, "sealed", now_);
  stored_ = state_.durable;
  highest_stored_epoch_ = stored_.epoch;
  std::vector<std::string> nodes_and_witness = spec.nodes;
  if (!witness_.empty()) {
    nodes_and_witness.push_back(witness_);
  }
  for (const std::string& node : nodes_and_witness) {
    Vm& vm = vms_[node];
    vm.name = node;
    vm.booted_at = now_;
    vm.clock_at_boot = Random(90'000'000);
    vm.clock_rate_ppm = static_cast<int64_t>(Random(4'001)) - 2'000;
  }
}

Vm& Simulation::Primary() {
  return vms_.at(state_.durable.primary);
}

Vm& Simulation::AnyVm() {
  if (Random(3) == 0) {
    return Primary();
  }
  return std::next(vms_.begin(), Random(static_cast<uint32_t>(vms_.size())))->second;
}

void Simulation::Say(const std::string& line) {
  std::string text = absl::StrCat((now_ - start_).count(), " ms  ", line);
  if (options_.trace) {
    std::printf("%s\n", text.c_str());
  }
  trace_.push_back(std::move(text));
  if (trace_.size() > kTraceLines) {
    trace_.pop_front();
  }
}

void Simulation::Break(const std::string& what) {
  if (broken_.empty()) {
    Say(absl::StrCat("VIOLATION ", what));
    broken_ = absl::StrCat("at ", (now_ - start_).count(), " ms: ", what);
  }
}

std::string Simulation::Trace() const {
  return absl::StrJoin(trace_, "\n");
}

std::string Simulation::Run() {
  Advance(kSetUp, /*with_faults=*/false);
  if (options_.drill.empty()) {
    Advance(kFaults, /*with_faults=*/true);
  } else {
    Drill();
  }
  HealAll();
  AwaitHealthy(kHealing, "the last fault");
  CareExam();
  Exam();
  CheckSlots();
  if (broken_.empty()) {
    CheckHoldsAll(Primary(), "is the last primary");
    if (std::tie(zone_.primary_addresses, zone_.standby_addresses) !=
        std::tie(state_.durable.names.primary_addresses, state_.durable.names.standby_addresses)) {
      Break("I8: the zone does not say what was published");
    }
  }
  return broken_;
}

void Simulation::Advance(Duration duration, bool with_faults) {
  for (Duration passed{0}; passed < duration && broken_.empty(); passed += kStep) {
    Step(with_faults);
  }
}

void Simulation::Step(bool with_faults) {
  now_ = now_ + kStep;
  if (with_faults) {
    Fault();
    Care();
  }
  KeepConnections();
  if (controller_frozen_since_.has_value() && now_ >= controller_thaws_) {
    ThawController();
  }
  for (const bool twin : {false, true}) {
    if ((!twin || twin_.has_value()) && now_.milliseconds() % 200 == 0) {
      At(twin, [this] {
        if (ControllerActs()) {
          Feed(controller::Tick{});
        }
      });
    }
  }
  for (auto& [name, vm] : vms_) {
    Deliver(vm);
    const bool guard_first = Random(2) == 0;  // both wake up at once after a freeze
    if (guard_first) {
      Guard(vm);
    }
    if (vm.Acts(now_)) {
      TakeConfirmations(vm);
      TakeEchoes(vm);
      Acknowledge(vm);
      if (now_ >= vm.agent_frozen_until && Random(3) == 0) {
        Agent(vm);
      }
      EndStops(vm);
      EndPromotion(vm);
      ArchiveHistories(vm);
      Flush(vm);
      RemoveOldWal(vm);
    }
    if (!guard_first) {
      Guard(vm);
    }
  }
  for (auto& [name, vm] : vms_) {
    Replicate(vm);
  }
  UpdateNames();
}

}  // namespace pgmahout::sim
