// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/controller_core/states.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/core/quorum.h"

namespace pgmahout::controller {
namespace {

constexpr Lsn kEnd = Wal(110);

Durable SettledDurable(ClusterSpec spec) {
  Durable durable;
  durable.revision = 1;
  durable.system_identifier = kSystemIdentifier;
  durable.epoch = 1;
  durable.stage = Stage::kRunning;
  durable.primary = spec.nodes.front();
  durable.timeline = 1;
  durable.quorum.standbys.assign(spec.nodes.begin() + 1, spec.nodes.end());
  durable.quorum.number =
      spec.synchronous.durability == DataDurability::kOff ? 0 : spec.synchronous.number;
  durable.was_healthy = true;
  durable.spec = std::move(spec);
  return durable;
}

Report ReportOfStandby() {
  Report report;
  report.cluster = "orders";
  report.epoch = 1;
  report.system_identifier = kSystemIdentifier;
  report.server = ServerState::kRunning;
  report.role = ServerRole::kStandby;
  report.data_is_complete = true;
  report.timeline = 1;
  report.receive_lsn = kEnd;
  report.replay_lsn = kEnd;
  report.receiver_streaming = true;
  report.receiver_upstream = "db1";
  return report;
}

Report ReportOfPrimary(const Durable& durable) {
  Report report;
  report.cluster = "orders";
  report.epoch = 1;
  report.system_identifier = kSystemIdentifier;
  report.server = ServerState::kRunning;
  report.role = ServerRole::kPrimary;
  report.data_is_complete = true;
  report.timeline = 1;
  report.write_lsn = kEnd;
  report.quorum_in_effect = durable.quorum;
  for (const std::string& node : durable.quorum.standbys) {
    report.attached.push_back(Attached{node, true, "quorum", kEnd, kEnd});
  }
  report.writable_epoch = 1;
  report.roles_ready = true;
  return report;
}

// Standbys no longer receive anything, a minute into `stage` of epoch 2.
void EnterEpochTwo(ClusterState& state, Stage stage) {
  state.durable.epoch = 2;
  state.durable.stage = stage;
  state.stage_since = kNow - Duration{60'000};
  for (auto& [node, member] : state.members) {
    member.report->epoch = 2;
    if (node != "db1") {
      member.report->receiver_streaming = false;
    }
  }
}

}  // namespace

ClusterState Settled(ClusterSpec spec) {
  ClusterState state = Restore(SettledDurable(std::move(spec)), kNow - Duration{3'600'000});
  Durable& durable = state.durable;
  durable.names = NameRecords{1, 1, {"10.0.0.1"}, {}};
  for (auto& [node, member] : state.members) {
    const bool is_primary = node == durable.primary;
    member.address = absl::StrCat("10.0.0.", node.substr(2));
    member.connected = true;
    member.last_heard = kNow;
    member.sequence = 7;
    member.report = is_primary ? ReportOfPrimary(durable) : ReportOfStandby();
    member.report->server_started = 100;
    member.report->data_number = 1;
    member.attached = member.replays = !is_primary;
    if (is_primary) {
      member.wal_end = kEnd;
      member.may_write_until = kNow + Duration{10'000};
    } else {
      member.not_streaming_since.reset();
      durable.names.standby_addresses.push_back(member.address);
    }
  }
  state.restart_since = kNow;
  state.names.in_sync = true;
  state.names.next_attempt = kNow + Duration{60'000};
  return state;
}

ClusterState Voted(ClusterSpec spec) {
  ClusterState state = Settled(std::move(spec));
  EnterEpochTwo(state, Stage::kFencing);
  for (auto& [node, member] : state.members) {
    if (node != "db1") {
      member.report->ballot = Ballot{2, 1, kEnd};
      member.voted_at = kNow - Duration{60'000};
    }
  }
  Silence(state, "db1");
  ReportFrom(state, "db1").epoch = 1;
  state.members.at("db1").may_write_until = kNow - Duration{50'000};
  return state;
}

ClusterState CleanlyStopped(ClusterSpec spec) {
  ClusterState state = Settled(std::move(spec));
  EnterEpochTwo(state, Stage::kStopping);
  state.stage_since = kNow - Duration{1'000};
  state.durable.planned = true;
  Report& old = ReportFrom(state, "db1");
  old.server = ServerState::kStopped;
  old.role = ServerRole::kUnknown;
  old.clean_stop = true;
  old.writable_epoch = 0;
  old.attached.clear();
  old.quorum_in_effect.reset();
  state.members.at("db1").down_since = kNow - Duration{100};
  for (auto& [node, member] : state.members) {
    if (node != "db1") {
      member.report->receive_lsn = Lsn{kEnd.value + 120};  // behind the checkpoint record
    }
  }
  return state;
}

ClusterState Promoting(ClusterSpec spec) {
  ClusterState state = Voted(std::move(spec));
  state.durable.primary = "db2";
  state.durable.stage = Stage::kPromoting;
  state.durable.older = {state.durable.quorum};
  state.durable.quorum = Quorum{1, {"db3"}};
  state.stage_since = kNow - Duration{1'000};
  ReportFrom(state, "db2").ballot.reset();
  return state;
}

Report& ReportFrom(ClusterState& state, const std::string& node) {
  return *state.members.at(node).report;
}

void Silence(ClusterState& state, const std::string& node) {
  state.members.at(node).last_heard = kNow - Duration{60'000};
}

Outcome Look(const ClusterState& state) {
  return Advance(state, Tick{}, kNow);
}

std::vector<std::string> RulesIn(const Outcome& outcome) {
  std::vector<std::string> rules;
  for (const Entry& entry : outcome.entries) {
    rules.push_back(entry.rule);
  }
  return rules;
}

bool Fires(const ClusterState& state, const std::string& rule) {
  const std::vector<std::string> rules = RulesIn(Look(state));
  return std::find(rules.begin(), rules.end(), rule) != rules.end();
}

void ExpectEachPrevents(const ClusterState& state,
                        const std::string& rule,
                        const std::vector<Change>& changes) {
  EXPECT_TRUE(Fires(state, rule)) << rule << ": without a change";
  for (const Change& change : changes) {
    ClusterState changed = state;
    change.apply(changed);
    EXPECT_FALSE(Fires(changed, rule)) << rule << ": " << change.what;
  }
}

void ExpectNonePrevents(const ClusterState& state,
                        const std::string& rule,
                        const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    ClusterState changed = state;
    change.apply(changed);
    EXPECT_TRUE(Fires(changed, rule)) << rule << ": " << change.what;
  }
}

}  // namespace pgmahout::controller
