// SPDX-License-Identifier: Apache-2.0
// Simulation: the real Advance() and the real Next() over toy VMs, with kills, freezes, cuts, lost
// messages and restarts drawn from a seed. The invariants are checked at every acknowledgement and
// every promotion.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "controller/core/advance.h"
#include "tests/unit/core_link/toy_vm.h"

namespace pgmahout {

class Simulation {
 public:
  Simulation(uint32_t seed, ClusterSpec spec);

  void Run(Duration duration, bool with_faults);
  // Ends all faults; nothing new goes wrong.
  void HealAll();

  std::string Phase() const;

  size_t acknowledged() const { return acknowledged_.size(); }

  size_t primaries() const { return primary_of_epoch_.size(); }

  // What broke; empty: nothing. The last lines of `trace` lead to it.
  const std::string& broken() const { return broken_; }

  std::string Trace() const;

 private:
  struct ToController {
    BootTime due;
    uint64_t connection;
    uint64_t sequence;
    Report report;
  };

  struct ToAgent {
    BootTime due;
    uint64_t connection;
    controller::Answer answer;
    DesiredState desired;
  };

  uint32_t Random(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

  bool Chance(uint32_t per_10000) { return Random(10'000) < per_10000; }

  bool FaultHits(uint32_t per_10000);

  void Say(const std::string& line);
  void Break(const std::string& what);

  void Step(bool with_faults);
  void Fault();
  void Connect(ToyVm& vm);
  void Feed(const controller::Event& event);
  void Deliver(ToyVm& vm);
  void Obey(ToyVm& vm, const ToAgent& order);
  void Agent(ToyVm& vm);
  void Tell(ToyVm& vm, const agent::Step& step);
  void Perform(ToyVm& vm, const agent::Step& step);
  void Copy(ToyVm& vm, const agent::Step& step);
  void WriteConfig(ToyVm& vm, const agent::Step& step);
  void Guard(ToyVm& vm);
  void BecamePrimary(const ToyVm& vm);
  void SendEverything(ToyVm& primary);
  void Replicate(ToyVm& standby);
  void Acknowledge(ToyVm& primary);
  void CheckHoldsAll(const ToyVm& vm, const std::string& when);

  std::mt19937 random_;
  BootTime now_ = BootTime::FromMilliseconds(1'000'000);
  controller::ClusterState state_;
  std::map<std::string, ToyVm> vms_;
  std::map<std::string, std::deque<ToController>> up_;
  std::map<std::string, std::deque<ToAgent>> down_;
  uint32_t next_commit_ = 1;
  std::set<uint32_t> acknowledged_;
  std::string last_writer_;
  std::map<uint64_t, std::string> primary_of_epoch_;
  std::deque<std::string> trace_;
  std::string broken_;
};

}  // namespace pgmahout
