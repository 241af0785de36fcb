// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/controller_core/drive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "controller/core/status.h"

namespace pgmahout::controller {

ClusterSpec SpecOf(int nodes) {
  ClusterSpec spec;
  spec.name = "orders";
  for (int i = 1; i <= nodes; ++i) {
    spec.nodes.push_back(absl::StrCat("db", i));
  }
  spec.dns.primary = "orders-rw.db.example.";
  spec.dns.standbys = "orders-ro.db.example.";
  return spec;
}

Drive::Drive(ClusterSpec spec) : state_(Create(spec, "sealed", now_)) {
  for (const std::string& name : spec.nodes) {
    Join(name);
  }
  if (!spec.witness.empty()) {
    Join(spec.witness);
  }
}

Drive Drive::Healthy(ClusterSpec spec) {
  Drive drive(std::move(spec));
  EXPECT_TRUE(drive.PassUntil([&drive] { return drive.IsHealthy(); })) << drive.PhaseReason();
  for (int i = 0; i < 10; ++i) {
    drive.Commit();
  }
  drive.Pass(Duration{2'000});
  drive.Forget();
  return drive;
}

// ---- What happens ----

void Drive::Feed(const Event& event) {
  Take(Advance(state_, event, now_));
}

void Drive::Take(Outcome outcome) {
  CheckInvariants(outcome);
  state_ = std::move(outcome.state);
  entries_.insert(entries_.end(), outcome.entries.begin(), outcome.entries.end());
  leases_.clear();
  for (const Effect& effect : outcome.effects) {
    if (const auto* answer = std::get_if<Answer>(&effect); answer != nullptr) {
      leases_[answer->node] = answer->lease;
    } else {
      published_.push_back(std::get<PublishNames>(effect).records);
      to_answer_.push_back(published_.back());
    }
  }
}

void Drive::CheckInvariants(const Outcome& outcome) const {
  const Durable& after = outcome.state.durable;
  EXPECT_GE(after.epoch, state_.durable.epoch) << "I4: epochs only grow";
  if (after.primary != state_.durable.primary && outcome.state.durable.epoch > 0) {
    EXPECT_GT(after.epoch, state_.durable.names.epoch) << "I4: one primary per epoch";
  }
  for (const Effect& effect : outcome.effects) {
    if (const auto* answer = std::get_if<Answer>(&effect); answer != nullptr) {
      const bool may = answer->node == after.primary && after.stage != Stage::kFencing &&
                       after.stage != Stage::kStopping;
      EXPECT_EQ(answer->lease > Duration{0}, may) << answer->node << ": leases are for the primary";
      EXPECT_GT(answer->sequence, 0U) << "I5: orders answer heartbeats";
    } else {
      const MemberView& primary = outcome.state.members.at(after.primary);
      EXPECT_EQ(after.stage, Stage::kRunning) << "I8: names follow a confirmed primary";
      EXPECT_EQ(std::get<PublishNames>(effect).records.primary_addresses,
                std::vector<std::string>{primary.address});
    }
  }
}

void Drive::Pass(Duration duration) {
  for (Duration passed{0}; passed < duration; passed += kStep) {
    now_ = now_ + kStep;
    Feed(Tick{});
    for (auto& [name, toy] : nodes_) {
      if (toy.heard) {
        Heartbeat(name, now_.milliseconds() % 1'000 == 0);
      }
    }
    if (answer_names_) {
      for (const NameRecords& records : std::exchange(to_answer_, {})) {
        NamesPublished answer = names_answer_;
        answer.epoch = records.epoch;
        answer.change = records.change;
        Feed(answer);
      }
    }
  }
}

void Drive::Heartbeat(const std::string& name, bool due) {
  if (!state_.durable.quarantined) {  // a silent controller orders nothing
    Obey(name);
  }
  const Report& report = nodes_.at(name).report;
  if (due || last_sent_[name] != report) {
    last_sent_[name] = report;
    Feed(AgentReported{name, ++sequence_[name], report});
  }
}

void Drive::Commit() {
  const std::string primary = durable().primary;
  ToyNode& from = nodes_.at(primary);
  from.lsn.value += Wal(1).value;
  for (auto& [name, toy] : nodes_) {
    if (toy.follows == primary && toy.streams && toy.report.receiver_streaming) {
      toy.lsn = from.lsn;
    }
  }
}

void Drive::Crash(const std::string& node) {
  StopServer(nodes_.at(node), /*clean=*/false);
}

void Drive::KillVm(const std::string& node) {
  Crash(node);
  ToyNode& toy = nodes_.at(node);
  toy.report.receiver_streaming = false;  // a witness has no server that would end it
  toy.follows.clear();
  toy.heard = false;
}

void Drive::BootVm(const std::string& node) {
  Heal(node);
}

void Drive::Cut(const std::string& node) {
  nodes_.at(node).heard = false;
  Feed(AgentDisconnected{node});
}

void Drive::Heal(const std::string& node) {
  nodes_.at(node).heard = true;
  Feed(AgentConnected{node, absl::StrCat("10.0.0.", node.substr(2))});
}

void Drive::Join(const std::string& node) {
  nodes_[node];
  Heal(node);
}

void Drive::RestartController() {
  RestoreStore(state_.durable);
}

void Drive::RestoreStore(const Durable& copy) {
  state_ = Restore(copy, now_);
  to_answer_.clear();
  for (const auto& [name, toy] : nodes_) {
    if (toy.heard) {
      Heal(name);
    }
  }
}

void Drive::FreezeController(Duration duration) {
  now_ = now_ + duration;
  Feed(WatchInterrupted{duration});
}

void Drive::SetNamesAnswer(bool ok, const std::string& error) {
  names_answer_.ok = ok;
  names_answer_.error = error;
}

// ---- Toy nodes ----

bool Drive::Serves(const std::string& name) const {
  const auto found = nodes_.find(name);
  return found != nodes_.end() && found->second.report.server == ServerState::kRunning &&
         found->second.report.role == ServerRole::kPrimary;
}

void Drive::StopServer(ToyNode& toy, bool clean) {
  if (toy.report.server != ServerState::kRunning) {
    return;
  }
  const bool was_primary = toy.report.role == ServerRole::kPrimary;
  toy.report.server = ServerState::kStopped;
  toy.report.role = ServerRole::kUnknown;
  toy.report.clean_stop = clean && was_primary;
  // A clean stop ends with its checkpoint record, which goes to everybody who streams; a crash
  // leaves an old checkpoint.
  toy.report.write_lsn = toy.report.clean_stop ? toy.lsn : Wal(1);
  if (toy.report.clean_stop) {
    toy.lsn.value += 120;
    for (auto& [other, standby] : nodes_) {
      const auto upstream = nodes_.find(standby.follows);
      if (upstream != nodes_.end() && &upstream->second == &toy) {
        standby.lsn = toy.lsn;
      }
    }
  }
  toy.report.server_started = 0;
  toy.report.writable_epoch = 0;
  toy.report.attached.clear();
  toy.report.quorum_in_effect.reset();
  toy.report.receiver_streaming = false;
  toy.report.ballot.reset();
  toy.follows.clear();
}

void Drive::StartServer(ToyNode& toy, ServerRole role) {
  if (toy.report.server != ServerState::kRunning) {
    toy.report.server_started = ++toy.servers;
    toy.report.data_number = std::max<uint64_t>(toy.report.data_number, 1);
  }
  toy.report.server = ServerState::kRunning;
  toy.report.role = role;
}

void Drive::Obey(const std::string& name) {
  ToyNode& toy = nodes_.at(name);
  const DesiredState desired = Desired(name);
  if (!toy.obeys || desired.epoch < toy.report.epoch) {
    return;
  }
  toy.report.cluster = desired.cluster;
  toy.report.epoch = desired.epoch;
  switch (desired.assignment) {
    case Assignment::kNone:
    case Assignment::kPreview:
      break;
    case Assignment::kBootstrap:
    case Assignment::kAdopt:
    case Assignment::kPrimary:
      BePrimary(name, desired);
      break;
    case Assignment::kStandby:
      BeStandby(name, desired);
      break;
    case Assignment::kPrepare:
      Prepare(toy, desired);
      break;
    case Assignment::kStop:
      StopServer(toy, desired.clean_stop);
      break;
    case Assignment::kWitness:
      StopServer(toy, /*clean=*/true);
      toy.report.receiver_streaming = Serves(desired.upstream) && toy.streams;
      toy.follows = toy.report.receiver_streaming ? desired.upstream : "";
      break;
  }
}

void Drive::BePrimary(const std::string& name, const DesiredState& desired) {
  ToyNode& toy = nodes_.at(name);
  Report& report = toy.report;
  const bool runs = Serves(name);
  if (!toy.promotes || (!runs && (toy.started_epoch == desired.epoch || desired.hands_off))) {
    return;  // a crashed primary waits for the controller
  }
  if (desired.assignment == Assignment::kBootstrap) {
    toy.lsn = std::max(toy.lsn, Wal(100));
    report.timeline = 1;
  } else if (!toy.was_primary) {
    report.parent_timeline = report.timeline;
    report.timeline = std::max(report.timeline + 1, desired.new_timeline);
    report.fork_lsn = toy.lsn;
  }
  toy.was_primary = true;
  toy.started_epoch = desired.epoch;
  toy.follows.clear();
  report.system_identifier = kSystemIdentifier;
  report.data_is_complete = true;
  StartServer(toy, ServerRole::kPrimary);
  report.clean_stop = false;
  report.receiver_streaming = false;
  report.roles_ready = true;
  report.writable_epoch = desired.epoch;
  report.started_epoch = desired.epoch;
  report.write_lsn = toy.lsn;
  report.quorum_in_effect = desired.quorum;
  report.ballot.reset();
  report.attached.clear();
  for (const auto& [other, standby] : nodes_) {
    if (standby.follows == name && standby.report.receiver_streaming && standby.streams) {
      report.attached.push_back(Attached{other, true, "quorum", standby.lsn, standby.lsn});
    }
  }
}

void Drive::BeStandby(const std::string& name, const DesiredState& desired) {
  ToyNode& toy = nodes_.at(name);
  Report& report = toy.report;
  if (report.role == ServerRole::kPrimary) {
    StopServer(toy, /*clean=*/true);
  }
  report.ballot.reset();
  if (desired.hands_off && report.server != ServerState::kRunning) {
    return;
  }
  if (desired.rebuild_directory != 0 && desired.rebuild_directory == report.data_number) {
    StopServer(toy, /*clean=*/true);
    report.data_number += toy.copies ? 1 : 0;
    return;
  }
  if (desired.restart_server != 0 && desired.restart_server == report.server_started) {
    StopServer(toy, /*clean=*/true);
    return;
  }
  const bool reachable = Serves(desired.upstream) && toy.streams;
  const bool has_copy = report.data_is_complete && !toy.was_primary;
  if (!has_copy && !(reachable && desired.may_rebuild)) {
    return;
  }
  report.receiver_streaming = reachable;
  toy.follows = reachable ? desired.upstream : "";
  if (reachable) {
    const ToyNode& upstream = nodes_.at(desired.upstream);
    toy.was_primary = false;
    toy.lsn = upstream.lsn;
    report.system_identifier = kSystemIdentifier;
    report.data_is_complete = true;
    report.timeline = upstream.report.timeline;
  }
  StartServer(toy, ServerRole::kStandby);
  report.clean_stop = false;
  report.receive_lsn = toy.lsn;
  report.replay_lsn = toy.lsn;
  report.write_lsn = Lsn{};
}

void Drive::Prepare(ToyNode& toy, const DesiredState& desired) {
  if (toy.was_primary && !desired.former_primary_votes) {
    StopServer(toy, /*clean=*/false);
    return;
  }
  toy.was_primary = false;
  toy.report.receiver_streaming = false;
  toy.follows.clear();
  const bool is_left = desired.hands_off && toy.report.server != ServerState::kRunning;
  if (toy.votes && toy.report.data_is_complete && !is_left) {
    StartServer(toy, ServerRole::kStandby);
    toy.report.ballot = Ballot{desired.epoch, toy.report.timeline, toy.lsn};
  }
}

// ---- What came of it ----

std::string Drive::PhaseName() const {
  return PhaseOf(state_, now_).name;
}

std::string Drive::PhaseReason() const {
  const Phase phase = PhaseOf(state_, now_);
  return absl::StrCat(phase.name, ": ", phase.reason);
}

bool Drive::IsRunning(const std::string& primary) const {
  return durable().stage == Stage::kRunning && durable().primary == primary;
}

bool Drive::Fired(const std::string& rule) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&rule](const Entry& entry) { return entry.rule == rule; });
}

std::string Drive::MessageOf(const std::string& rule) const {
  for (const Entry& entry : entries_) {
    if (entry.rule == rule) {
      return entry.message;
    }
  }
  return "";
}

}  // namespace pgmahout::controller
