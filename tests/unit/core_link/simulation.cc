// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/core_link/simulation.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/status.h"

namespace pgmahout {
namespace {

constexpr Duration kStep{50};

std::string Describe(const agent::Step& step) {
  return absl::StrCat(step.rule, " (", step.reason, ")");
}

}  // namespace

Simulation::Simulation(uint32_t seed, ClusterSpec spec)
    : random_(seed), state_(controller::Create(spec, "sealed", now_)) {
  for (const std::string& node : spec.nodes) {
    vms_[node].name = node;
    Connect(vms_[node]);
  }
}

void Simulation::Say(const std::string& line) {
  trace_.push_back(absl::StrCat(now_.milliseconds() - 1'000'000, " ", line));
  if (trace_.size() > 120) {
    trace_.pop_front();
  }
}

void Simulation::Break(const std::string& what) {
  if (broken_.empty()) {
    Say(absl::StrCat("BROKEN: ", what));
    broken_ = what;
  }
}

std::string Simulation::Trace() const {
  return absl::StrCat(broken_, "\n", absl::StrJoin(trace_, "\n"));
}

std::string Simulation::Phase() const {
  const controller::Phase phase = controller::PhaseOf(state_, now_);
  return absl::StrCat(phase.name, ": ", phase.reason);
}

void Simulation::Run(Duration duration, bool with_faults) {
  for (Duration passed{0}; passed < duration && broken_.empty(); passed += kStep) {
    Step(with_faults);
  }
}

void Simulation::Step(bool with_faults) {
  now_ = now_ + kStep;
  if (with_faults) {
    Fault();
  }
  if (now_.milliseconds() % 200 == 0) {
    Feed(controller::Tick{});
  }
  for (auto& [name, vm] : vms_) {
    Deliver(vm);
    if (vm.Acts(now_) && Random(3) == 0) {
      Agent(vm);
    }
    Guard(vm);
  }
  for (auto& [name, vm] : vms_) {
    Replicate(vm);
  }
  for (auto& [name, vm] : vms_) {
    if (vm.Acts(now_) && vm.IsPrimary()) {
      if (Random(3) == 0) {
        vm.disk.wal.push_back(next_commit_++);
      }
      Acknowledge(vm);
    }
  }
}

// ---- Faults ----

// Faults are rare while nothing happens and frequent while something changes: that is where two
// of them meet.
bool Simulation::FaultHits(uint32_t per_10000) {
  const bool is_changing =
      state_.durable.stage != controller::Stage::kRunning || !state_.durable.older.empty();
  return Chance(is_changing ? per_10000 * 6 : per_10000);
}

void Simulation::Fault() {
  auto chosen = std::next(vms_.begin(), Random(static_cast<uint32_t>(vms_.size())));
  ToyVm& vm = chosen->second;
  if (vm.powered && FaultHits(12)) {
    Say(absl::StrCat(vm.name, " loses power"));
    vm.StopServer(/*clean=*/false);
    vm.powered = false;
    vm.lease.reset();  // it means nothing after another boot
    vm.desired.reset();
  } else if (!vm.powered && FaultHits(60)) {
    Say(absl::StrCat(vm.name, " boots"));
    vm.powered = true;
    vm.frozen_until = now_;
    Connect(vm);
  } else if (FaultHits(12)) {
    Say(absl::StrCat(vm.name, ": PostgreSQL crashes"));
    vm.StopServer(/*clean=*/false);
  } else if (vm.powered && FaultHits(8)) {
    vm.hung_until = now_ + Duration{Random(15'000)};
    Say(absl::StrCat(vm.name, ": PostgreSQL answers no new connection"));
  } else if (vm.powered && FaultHits(8)) {
    vm.frozen_until = now_ + Duration{Random(15'000)};
    Say(absl::StrCat(vm.name, " freezes"));
  } else if (vm.hears_controller && FaultHits(12)) {
    Say(absl::StrCat(vm.name, " is cut from the controller"));
    vm.hears_controller = false;
    if (Random(2) == 0) {
      Feed(controller::AgentDisconnected{vm.name});
    }
  } else if (!vm.hears_controller && FaultHits(80)) {
    Say(absl::StrCat(vm.name, " hears the controller again"));
    vm.hears_controller = true;
    Connect(vm);
  } else if (vm.cut_from.empty() && FaultHits(40)) {
    vm.cut_from = std::next(vms_.begin(), Random(static_cast<uint32_t>(vms_.size())))->first;
    Say(absl::StrCat(vm.name, " is cut from ", vm.cut_from));
  } else if (!vm.cut_from.empty() && FaultHits(300)) {
    Say(absl::StrCat(vm.name, " reaches ", vm.cut_from, " again"));
    vm.cut_from.clear();
  } else if (FaultHits(5)) {
    Say("the controller restarts");
    state_ = controller::Restore(state_.durable, now_);
    for (auto& [name, other] : vms_) {
      Connect(other);
    }
  } else if (FaultHits(8)) {
    Feed(controller::SwitchoverRequested{Random(2) == 0 ? "" : vm.name});
  }
}

void Simulation::HealAll() {
  for (auto& [name, vm] : vms_) {
    vm.powered = true;
    vm.frozen_until = now_;
    vm.hung_until = now_;
    vm.hears_controller = true;
    vm.cut_from.clear();
    Connect(vm);
  }
}

// ---- Messages ----

void Simulation::Connect(ToyVm& vm) {
  if (!vm.powered || !vm.hears_controller) {
    return;
  }
  vm.connection += 1;
  vm.sent_at.clear();
  up_[vm.name].clear();
  down_[vm.name].clear();
  vm.last_sent = BootTime{};
  Feed(controller::AgentConnected{vm.name, AddressOf(vm.name)});
}

void Simulation::Feed(const controller::Event& event) {
  controller::Outcome outcome = controller::Advance(state_, event, now_);
  state_ = std::move(outcome.state);
  for (const controller::Entry& entry : outcome.entries) {
    Say(absl::StrCat("controller e", entry.epoch, " ", entry.rule, " ", entry.node, ": ",
                     entry.message));
  }
  for (const controller::Effect& effect : outcome.effects) {
    const auto* answer = std::get_if<controller::Answer>(&effect);
    if (answer == nullptr) {
      continue;
    }
    std::deque<ToAgent>& queue = down_[answer->node];
    BootTime due = now_ + Duration{Random(Random(10) == 0 ? 1'500 : 100)};
    due = queue.empty() ? due : std::max(due, queue.back().due);
    queue.push_back(ToAgent{due, vms_.at(answer->node).connection, *answer,
                            controller::DesiredFor(state_, answer->node)});
  }
}

void Simulation::Deliver(ToyVm& vm) {
  std::deque<ToController>& up = up_[vm.name];
  while (!up.empty() && up.front().due <= now_) {
    const ToController message = up.front();
    up.pop_front();
    if (vm.hears_controller && message.connection == vm.connection) {
      Feed(controller::AgentReported{vm.name, message.sequence, message.report});
    }
  }
  std::deque<ToAgent>& down = down_[vm.name];
  while (vm.Acts(now_) && !down.empty() && down.front().due <= now_) {
    const ToAgent message = down.front();
    down.pop_front();
    if (vm.hears_controller && message.connection == vm.connection) {
      Obey(vm, message);
    }
  }
}

// As the daemon takes an order.
void Simulation::Obey(ToyVm& vm, const ToAgent& order) {
  const auto sent = vm.sent_at.find(order.answer.sequence);
  if (order.desired.epoch < vm.disk.memory.epoch || sent == vm.sent_at.end()) {
    return;
  }
  vm.desired = order.desired;
  if (order.answer.lease > Duration{0}) {
    const BootTime deadline = sent->second + order.answer.lease;
    if (!vm.lease.has_value() || vm.lease->epoch != order.desired.epoch ||
        deadline > vm.lease->deadline) {
      vm.lease = agent::Lease{order.desired.epoch, deadline, Duration{0}, {}};
    }
  }
}

void Simulation::Tell(ToyVm& vm, const agent::Step& step) {
  const Report report = agent::ReportOf(vm.See(now_, vms_), step.rule, "");
  if (!vm.hears_controller || (report == vm.last_report && now_ - vm.last_sent < Duration{1'000})) {
    return;
  }
  vm.last_report = report;
  vm.last_sent = now_;
  vm.sent_at[++vm.sequence] = now_;
  vm.sent_at.erase(vm.sent_at.begin(),
                   vm.sent_at.lower_bound(vm.sequence - std::min<uint64_t>(vm.sequence, 50)));
  std::deque<ToController>& queue = up_[vm.name];
  BootTime due = now_ + Duration{Random(100)};
  due = queue.empty() ? due : std::max(due, queue.back().due);
  queue.push_back(ToController{due, vm.connection, vm.sequence, report});
}

// ---- Agents ----

void Simulation::Agent(ToyVm& vm) {
  agent::World world = vm.See(now_, vms_);
  const std::optional<agent::SqlFacts>& sql = world.observation.sql;
  if (!sql.has_value() || !sql->in_recovery || sql->receiver_streaming) {
    vm.not_streaming_since.reset();
  } else if (!vm.not_streaming_since.has_value()) {
    vm.not_streaming_since = now_;
  }
  world.observation.not_streaming_since = vm.not_streaming_since;
  const agent::Step step = agent::Next(world);
  if (step.kind != agent::StepKind::kWait) {
    if (step.remember_first) {
      vm.disk.memory = step.memory;
    }
    if (!Chance(500)) {  // else it fails, and is tried again
      Say(absl::StrCat(vm.name, " ", Describe(step)));
      Perform(vm, step);
    }
  }
  Tell(vm, step);
}

void Simulation::Perform(ToyVm& vm, const agent::Step& step) {
  switch (step.kind) {
    case agent::StepKind::kKill:
      vm.StopServer(/*clean=*/false);
      break;
    case agent::StepKind::kStopFast: {
      const bool in_time = Random(5) != 0;
      vm.StopServer(in_time);
      if (in_time) {
        SendEverything(vm);
      }
      break;
    }
    case agent::StepKind::kInitialize:
      vm.disk.exists = true;
      vm.disk.timeline = 1;
      break;
    case agent::StepKind::kConfigure:
      WriteConfig(vm, step);
      break;
    case agent::StepKind::kStart:
      vm.StartServer(now_);
      if (vm.IsPrimary()) {
        BecamePrimary(vm);
      }
      break;
    case agent::StepKind::kPromote:
      vm.disk.standby_signal = false;
      vm.disk.parent_timeline = vm.disk.timeline;
      vm.disk.timeline += 1;
      vm.disk.fork_lsn = LsnAt(vm.disk.wal.size());
      vm.server.in_recovery = false;
      vm.server.receives_from.clear();
      vm.server.acknowledged = vm.disk.wal.size();
      BecamePrimary(vm);
      break;
    case agent::StepKind::kBaseBackup:
    case agent::StepKind::kRewind:
      Copy(vm, step);
      return;
    case agent::StepKind::kMarkStandby:
    case agent::StepKind::kMarkVoter:
      vm.disk.standby_signal = true;
      break;
    case agent::StepKind::kEnsureRoles:
      vm.disk.roles_id = step.roles_id;
      break;
    case agent::StepKind::kEnsureSlots:
      vm.disk.slots.insert(vm.disk.slots.end(), step.slots.create.begin(), step.slots.create.end());
      break;
    default:
      break;
  }
  vm.disk.memory = step.memory;
}

void Simulation::WriteConfig(ToyVm& vm, const agent::Step& step) {
  ToyConfig config;
  config.text = step.config;
  config.quorum = vm.desired->quorum;
  for (const auto& [name, other] : vms_) {
    if (absl::StrContains(step.config, absl::StrCat("host=''", AddressOf(name), "''"))) {
      config.upstream = name;
    }
  }
  vm.disk.config = config;
  vm.disk.hba = step.hba;
  if (vm.server.running) {
    vm.Load(now_);
    vm.server.receiver_ends = now_ + Duration{Random(500)};
  }
}

// pg_basebackup, and pg_rewind, which comes to the same.
void Simulation::Copy(ToyVm& vm, const agent::Step& step) {
  const auto upstream = vms_.find(step.upstream.node);
  if (upstream == vms_.end() || !upstream->second.IsPrimary() ||
      !CanTalk(vm, upstream->second, now_) || Random(4) == 0) {
    return;
  }
  vm.StopServer(/*clean=*/false);
  const agent::Memory memory = step.memory;
  vm.disk = upstream->second.disk;
  vm.disk.memory = memory;
  vm.disk.standby_signal = true;
  vm.disk.config = ToyConfig{};
}

// pgmahout-guard: when the deadline passes, nothing of PostgreSQL runs, whatever the agent does.
void Simulation::Guard(ToyVm& vm) {
  if (vm.Acts(now_) && vm.IsPrimary() &&
      (!vm.lease.has_value() || now_ >= vm.lease->deadline - Duration{1'000})) {
    Say(absl::StrCat(vm.name, " is killed by its guard"));
    vm.StopServer(/*clean=*/false);
  }
}

void Simulation::BecamePrimary(const ToyVm& vm) {
  const uint64_t epoch = vm.disk.memory.epoch;
  const auto [entry, is_new] = primary_of_epoch_.emplace(epoch, vm.name);
  if (!is_new && entry->second != vm.name) {
    Break(absl::StrCat("I4: ", vm.name, " and ", entry->second, " are primary at epoch ", epoch));
  }
  CheckHoldsAll(vm, "became primary");
}

// ---- Toy PostgreSQL ----

// Walsenders send everything before a clean stop ends.
void Simulation::SendEverything(ToyVm& primary) {
  for (auto& [name, standby] : vms_) {
    if (standby.server.running && standby.server.receives_from == primary.name &&
        CanTalk(standby, primary, now_) &&
        std::equal(standby.disk.wal.begin(), standby.disk.wal.end(), primary.disk.wal.begin())) {
      standby.disk.wal = primary.disk.wal;
    }
  }
}

void Simulation::Replicate(ToyVm& standby) {
  ToyServer& server = standby.server;
  if (!standby.Acts(now_) || !server.running || !server.in_recovery) {
    return;
  }
  const bool is_wanted = server.receives_from == server.loaded.upstream;
  if (!is_wanted && now_ >= server.receiver_ends) {
    server.receives_from.clear();
  }
  if (server.receives_from.empty()) {
    server.receives_from = Random(3) == 0 ? server.loaded.upstream : "";
  }
  const auto found = vms_.find(server.receives_from);
  if (found == vms_.end() || !CanTalk(standby, found->second, now_) ||
      !CanFollow(standby, found->second)) {
    return;
  }
  ToyVm& primary = found->second;
  standby.disk.timeline = primary.disk.timeline;
  Wal& wal = standby.disk.wal;
  const size_t missing = primary.disk.wal.size() - wal.size();
  const size_t more = missing == 0 ? 0 : Random(static_cast<uint32_t>(missing) + 1);
  const auto from = primary.disk.wal.begin() + static_cast<std::ptrdiff_t>(wal.size());
  wal.insert(wal.end(), from, from + static_cast<std::ptrdiff_t>(more));
  if (Random(2) == 0) {  // its confirmation arrives
    primary.server.flushed[standby.name] = wal.size();
  }
}

void Simulation::Acknowledge(ToyVm& primary) {
  ToyServer& server = primary.server;
  const bool settling = now_ - server.loaded_at < Duration{400} && Random(2) == 0;
  const Quorum& quorum = settling ? server.loaded_before : server.loaded.quorum;
  while (server.acknowledged < primary.disk.wal.size()) {
    const auto confirmed = std::count_if(
        quorum.standbys.begin(), quorum.standbys.end(), [&server](const std::string& node) {
          const auto known = server.flushed.find(node);
          return known != server.flushed.end() && known->second > server.acknowledged;
        });
    if (static_cast<uint32_t>(confirmed) < quorum.number) {
      return;
    }
    const uint32_t commit = primary.disk.wal[server.acknowledged++];
    if (commit == 0) {
      continue;
    }
    if (last_writer_ != primary.name) {
      CheckHoldsAll(primary, "acknowledges a write");
      last_writer_ = primary.name;
    }
    acknowledged_.insert(commit);
  }
}

void Simulation::CheckHoldsAll(const ToyVm& vm, const std::string& when) {
  const std::set<uint32_t> held(vm.disk.wal.begin(), vm.disk.wal.end());
  for (const uint32_t commit : acknowledged_) {
    if (held.count(commit) == 0) {
      Break(
          absl::StrCat("I1/I2: ", vm.name, " ", when, " without the acknowledged commit ", commit));
      return;
    }
  }
}

}  // namespace pgmahout
