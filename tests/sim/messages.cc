// SPDX-License-Identifier: Apache-2.0
// The streams between agents and controller, the controller's store, and DNS. Messages of one
// connection arrive in order, late, or not at all.
#include <algorithm>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {
namespace {

constexpr Duration kSilentTooLong{4'000};  // then an agent gives its connection up
constexpr size_t kSentKept = 50;

}  // namespace

BootTime Simulation::Soon(uint32_t usual_ms, uint32_t rare_ms) {
  const bool is_slow = Random(10) == 0;
  return now_ + Duration{Random(is_slow && !is_calm_ ? rare_ms : usual_ms)};
}

void Simulation::Connect(Vm& vm) {
  vm.connection = ++connections_;
  vm.ended_connection = 0;
  if (!options_.broken.any_order_is_fresh) {
    vm.sent_at.clear();
    down_[vm.name].clear();
  }
  up_[vm.name].clear();
  vm.last_sent = BootTime{};
  At(vm.dials_twin, [&] { Feed(controller::AgentConnected{vm.name, AddressOf(vm.name)}); });
}

// `noticed`: the controller learns of it at once, as after a reset.
void Simulation::Disconnect(Vm& vm, bool noticed) {
  if (vm.connection == 0) {
    return;
  }
  vm.connection = 0;
  At(vm.dials_twin, [&] {
    if (noticed && ControllerActs()) {
      Feed(controller::AgentDisconnected{vm.name});
    }
  });
}

void Simulation::KeepConnections() {
  for (auto& [name, vm] : vms_) {
    bool listens = false;
    At(vm.dials_twin, [&] { listens = ControllerActs(); });
    const bool possible =
        vm.Acts(now_) && now_ >= vm.agent_frozen_until && listens && BothWays(name, "ctl");
    const bool has_heard_all = vm.ended_connection == 0 || down_[name].empty();
    if (vm.connection == 0 && has_heard_all && possible && Random(4) == 0) {
      Connect(vm);
    } else if (vm.connection != 0 && vm.Acts(now_) && !possible &&
               now_ - vm.last_sent > kSilentTooLong) {
      Disconnect(vm, /*noticed=*/false);
    }
  }
}

// ---- The controller ----

void Simulation::Feed(const controller::Event& event) {
  const controller::Durable before = state_.durable;
  const controller::Outcome outcome = controller::Advance(state_, event, now_);
  for (const controller::Entry& entry : outcome.entries) {
    Say(absl::StrCat("controller e", entry.epoch, " ", entry.rule, " ", entry.node, ": ",
                     entry.message));
    gave_up_ = gave_up_ || absl::EndsWith(entry.rule, "-given-up");
  }
  if (options_.broken.effects_before_store) {
    state_ = outcome.state;
    Perform(outcome);
    Store(outcome);
  } else if (Store(outcome)) {
    state_ = outcome.state;
    Perform(outcome);
  }
  CheckEpoch(before.epoch);
  CheckCare(before, event);
}

// False: the controller ended on the way.
bool Simulation::Store(const controller::Outcome& outcome) {
  const bool dies =
      outcome.durable_changed && !healed_ && now_ - start_ > Duration{12'000} && Chance(200);
  if (dies && Random(2) == 0) {
    RestartController("before it has stored");
    return false;
  }
  stored_ = outcome.state.durable;
  highest_stored_epoch_ = std::max(highest_stored_epoch_, stored_.epoch);
  if (dies) {
    RestartController("right after it has stored");
    return false;
  }
  return true;
}

void Simulation::RestartController(const std::string& why) {
  EndController(why, Duration{Random(Random(6) == 0 ? 40'000 : 3'000)});
}

// The kernel still sends what it had written, unless a reset overtakes that.
void Simulation::EndController(const std::string& why, Duration duration) {
  Say(absl::StrCat("the controller ends ", why));
  ++incarnation_;
  opening_ = ++openings_;
  controller_frozen_since_.reset();
  controller_back_ = now_ + duration;
  state_ = controller::Restore(stored_, controller_back_);
  for (auto& [name, vm] : vms_) {
    if (vm.dials_twin != twin_acts_) {
      continue;
    }
    vm.ended_connection = vm.connection;
    vm.connection = 0;
    if (Random(2) == 0) {
      down_[name].clear();
    }
  }
}

void Simulation::BringControllerBack() {
  if (now_ < controller_back_) {
    controller_back_ = now_;
    state_ = controller::Restore(stored_, now_);
  }
}

void Simulation::Perform(const controller::Outcome& outcome) {
  for (const controller::Effect& effect : outcome.effects) {
    if (const auto* publish = std::get_if<controller::PublishNames>(&effect); publish != nullptr) {
      updates_.push_back(Update{Soon(100, 8'000), publish->records, twin_acts_});
      continue;
    }
    const auto& answer = std::get<controller::Answer>(effect);
    Vm& vm = vms_.at(answer.node);
    if (vm.dials_twin != twin_acts_) {
      continue;  // it has gone to the other one meanwhile
    }
    agent::Received received;
    received.order.answers = answer.sequence;
    received.order.controller_incarnation = incarnation_;
    received.order.controller_opening = opening_;
    received.order.epoch = state_.durable.epoch;
    received.order.lease = answer.lease;
    for (const auto& [node, member] : state_.members) {
      if (member.report.has_value() && member.report->receive_lsn.valid()) {
        received.order.member_lsn[node] = member.report->receive_lsn;
      }
    }
    received.desired = controller::DesiredFor(state_, answer.node);
    std::deque<Down>& queue = down_[answer.node];
    BootTime due = Soon(100, 1'500);
    due = queue.empty() ? due : std::max(due, queue.back().due);
    queue.push_back(Down{due, vm.connection, std::move(received)});
  }
}

// ---- Agents' ends of the streams ----

void Simulation::TakeReports(Vm& vm) {
  std::deque<Up>& up = up_[vm.name];
  while (ControllerActs() && !up.empty() && up.front().due <= now_) {
    const Up message = up.front();
    up.pop_front();
    if (message.connection != vm.connection || !Reaches(vm.name, "ctl")) {
      continue;
    }
    NoticeOldStore(message);
    if (ControllerActs()) {
      Feed(controller::AgentReported{vm.name, message.sequence, message.report});
    }
  }
}

void Simulation::Deliver(Vm& vm) {
  At(vm.dials_twin, [&] { TakeReports(vm); });
  std::deque<Down>& down = down_[vm.name];
  while (vm.Acts(now_) && now_ >= vm.agent_frozen_until && !down.empty() &&
         down.front().due <= now_) {
    const Down message = down.front();
    down.pop_front();
    // What a controller says to a machine it has not noticed the loss of reaches nobody.
    const bool fresh = (message.connection != 0 && (message.connection == vm.connection ||
                                                    message.connection == vm.ended_connection)) ||
                       options_.broken.any_order_is_fresh;
    if (fresh && Reaches("ctl", vm.name)) {
      Obey(vm, message);
    }
  }
}

void Simulation::Obey(Vm& vm, const Down& order) {
  const auto sent = vm.sent_at.find(order.received.order.answers);
  if (sent == vm.sent_at.end()) {
    return;  // as the link refuses it (I5)
  }
  agent::Received received = order.received;
  received.sent_at = options_.broken.lease_from_receipt ? vm.Clock(now_) : sent->second;
  agent::Obey(std::move(received), vm.disk.memory, &vm.orders);
}

void Simulation::Tell(Vm& vm, const std::string& step) {
  const Report report = agent::ReportOf(See(vm), step, "");
  if (vm.connection == 0 || (report == vm.last_report && now_ - vm.last_sent < Duration{600})) {
    return;
  }
  vm.last_report = report;
  vm.last_sent = now_;
  vm.sent_at[++vm.sequence] = vm.Clock(now_);
  while (vm.sent_at.size() > kSentKept) {
    vm.sent_at.erase(vm.sent_at.begin());
  }
  std::deque<Up>& queue = up_[vm.name];
  BootTime due = Soon(60, 800);
  due = queue.empty() ? due : std::max(due, queue.back().due);
  queue.push_back(
      Up{due, vm.connection, vm.sequence, report, vm.orders.incarnation, vm.orders.opening});
}

// ---- DNS ----

// Updates overtake each other; the server compares the version in the zone.
void Simulation::UpdateNames() {
  if (controller_frozen_since_.has_value()) {
    return;  // what was sent may also arrive late
  }
  for (auto update = updates_.begin(); update != updates_.end();) {
    if (update->due > now_) {
      ++update;
      continue;
    }
    const controller::NameRecords records = update->records;
    const bool by_twin = update->by_twin;
    update = updates_.erase(update);
    const bool newer =
        std::tie(records.epoch, records.change) > std::tie(zone_.epoch, zone_.change);
    if (newer || options_.broken.dns_without_prerequisite) {
      CheckNames(records);
      zone_ = records;
    }
    if (by_twin && !twin_.has_value()) {
      continue;
    }
    bool listens = false;
    At(by_twin, [&] {
      listens = ControllerActs();
      if (listens) {
        const bool answers = healed_ || Random(10) != 0;
        Feed(controller::NamesPublished{records.epoch, records.change, answers, "no answer",
                                        zone_.primary_addresses});
      }
    });
    if (listens) {
      return;  // the list may have changed
    }
  }
}

}  // namespace pgmahout::sim
