// SPDX-License-Identifier: Apache-2.0
// What is taken from messages: of strangers nothing, of agents what they are entitled to say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/core/eligibility.h"
#include "controller/core/status.h"
#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

TEST(Strangers, ChangeNothing) {
  const ClusterState before = Settled();
  Report report = *before.members.at("db1").report;
  report.ballot = Ballot{1, 1, Wal(110)};
  for (const Event& event :
       {Event{AgentConnected{"db9", "10.0.0.9"}}, Event{AgentReported{"db9", 1, report}},
        Event{AgentDisconnected{"db9"}}}) {
    const Outcome outcome = Advance(before, event, kNow);
    EXPECT_FALSE(outcome.durable_changed);
    EXPECT_EQ(outcome.state.members.size(), 3U);
    EXPECT_THAT(outcome.effects, IsEmpty()) << "no answer, so no lease either";
    EXPECT_THAT(outcome.entries, IsEmpty());
  }
  EXPECT_FALSE(HasAgent(before, "db9"));
  EXPECT_FALSE(HasAgent(before, "")) << "it has no witness";
  EXPECT_EQ(MemberStateOf(before, "db9", kNow), "unknown");
  EXPECT_EQ(WhyNotEligible(before, "db9", kNow), "it is no member");
}

TEST(StepErrors, AreNotedWhenTheyAreNew) {
  ClusterState state = Settled();
  state.members.at("db3").report.reset();  // this controller has not heard of it yet
  Report report = *Settled().members.at("db3").report;
  report.step = "base-backup";
  report.step_error = "connection refused";
  Outcome outcome = Advance(state, AgentReported{"db3", 8, report}, kNow);
  EXPECT_THAT(RulesIn(outcome), Contains("agent-step-failed"));
  outcome = Advance(outcome.state, AgentReported{"db3", 9, report}, kNow);
  EXPECT_THAT(RulesIn(outcome), Not(Contains("agent-step-failed"))) << "once is enough";
  report.step_error = "no space left on device";
  outcome = Advance(outcome.state, AgentReported{"db3", 10, report}, kNow);
  ASSERT_THAT(RulesIn(outcome), Contains("agent-step-failed"));
  EXPECT_EQ(outcome.entries.front().message, "base-backup: no space left on device");
}

TEST(Streaming, IsWhatThePrimarySaysOfItsStandbys) {
  const ClusterState state = Settled();
  Report report = *state.members.at("db1").report;
  report.attached[1].streaming = false;  // it is there, and catches up from an archive
  const Outcome outcome = Advance(state, AgentReported{"db1", 8, report}, kNow);
  EXPECT_THAT(RulesIn(outcome), ElementsAre("standby-lost"));
  EXPECT_TRUE(outcome.state.members.at("db2").attached);
  EXPECT_FALSE(outcome.state.members.at("db3").attached);
}

// It may be what is left of a primary of an earlier epoch.
TEST(Streaming, IsNotWhatAServerOfAnotherEpochSays) {
  const ClusterState state = Settled();
  Report report = *state.members.at("db1").report;
  report.writable_epoch = 0;
  report.attached.clear();
  const Outcome outcome = Advance(state, AgentReported{"db1", 8, report}, kNow);
  EXPECT_THAT(RulesIn(outcome), Not(Contains("standby-lost")));
  EXPECT_TRUE(outcome.state.members.at("db2").attached);
}

// ---- The first primary ----

ClusterState Bootstrapped() {
  ClusterState state = Settled();
  const Report report = *state.members.at("db1").report;
  Durable durable = state.durable;
  durable.stage = Stage::kCreating;
  durable.system_identifier = 0;
  durable.quorum = Quorum{};
  state = Restore(durable, kNow - Duration{60'000});
  state.members.at("db1").report = report;
  state.members.at("db1").connected = true;
  state.members.at("db1").last_heard = kNow;
  return state;
}

TEST(Bootstrap, IsDoneWhenTheFirstPrimaryIsWritableAndReady) {
  const std::vector<Change> changes = {
      {"it does not run",
       [](ClusterState& state) { ReportFrom(state, "db1").server = ServerState::kStarting; }},
      {"it is in recovery",
       [](ClusterState& state) { ReportFrom(state, "db1").role = ServerRole::kStandby; }},
      {"roles are missing",
       [](ClusterState& state) { ReportFrom(state, "db1").roles_ready = false; }},
      {"no system identifier",
       [](ClusterState& state) { ReportFrom(state, "db1").system_identifier = 0; }},
      {"not writable since this order",
       [](ClusterState& state) { ReportFrom(state, "db1").writable_epoch = 0; }},
      {"it has not been heard",
       [](ClusterState& state) { state.members.at("db1").report.reset(); }},
  };
  ExpectEachPrevents(Bootstrapped(), "bootstrap-done", changes);
}

// ---- Suspicion ----

TEST(Suspicion, HistoryTellsWhatMakesARunningServerUnfit) {
  ClusterState state = Settled();
  ReportFrom(state, "db1").server = ServerState::kHung;
  state.members.at("db1").down_since = kNow - Duration{3'000};
  Outcome outcome = Look(state);
  ASSERT_THAT(RulesIn(outcome), Contains("primary-reports-hung"));
  EXPECT_THAT(outcome.entries.front().message, testing::HasSubstr("it does not run"));
  ReportFrom(state, "db1").illness = "Read-only file system";
  outcome = Look(state);
  ASSERT_THAT(RulesIn(outcome), Contains("primary-reports-hung"));
  EXPECT_THAT(outcome.entries.front().message, testing::HasSubstr("Read-only file system"));
}

// ---- What is stored ----

// Outcome::durable_changed says that a commit is due before anything is shown (I6).
TEST(Durable, IsAnotherWithAnyFieldChanged) {
  const std::vector<void (*)(Durable&)> changes = {
      [](Durable& durable) { durable.spec.dns.ttl_seconds += 1; },
      [](Durable& durable) { durable.revision += 1; },
      [](Durable& durable) { durable.system_identifier += 1; },
      [](Durable& durable) { durable.epoch += 1; },
      [](Durable& durable) { durable.stage = Stage::kFencing; },
      [](Durable& durable) { durable.primary = "db2"; },
      [](Durable& durable) { durable.timeline += 1; },
      [](Durable& durable) { durable.parent_timeline += 1; },
      [](Durable& durable) { durable.fork_lsn = Wal(1); },
      [](Durable& durable) { durable.timelines_ahead += 1; },
      [](Durable& durable) { durable.quorum.number += 1; },
      [](Durable& durable) { durable.older.emplace_back(); },
      [](Durable& durable) { durable.sole_copy = true; },
      [](Durable& durable) { durable.lost_wal_end = Wal(1); },
      [](Durable& durable) { durable.quarantined = true; },
      [](Durable& durable) { durable.confirmed_epoch += 1; },
      [](Durable& durable) { durable.planned = true; },
      [](Durable& durable) { durable.target = "db2"; },
      [](Durable& durable) { durable.accept_data_loss = true; },
      [](Durable& durable) { durable.was_healthy = false; },
      [](Durable& durable) { durable.names.change += 1; },
      [](Durable& durable) { durable.rejoined["db2"] = 1; },
      [](Durable& durable) { durable.paused = true; },
      [](Durable& durable) { durable.maintenance = {"db2"}; },
      [](Durable& durable) { durable.reinit.node = "db2"; },
      [](Durable& durable) { durable.reinit.directory += 1; },
      [](Durable& durable) { durable.reinit.epoch += 1; },
      [](Durable& durable) { durable.reinit.is_ordered = true; },
      [](Durable& durable) { durable.restart.nodes = {"db2"}; },
      [](Durable& durable) { durable.restart.server += 1; },
      [](Durable& durable) { durable.restart.epoch += 1; },
      [](Durable& durable) { durable.restart.in_place = true; },
      [](Durable& durable) { durable.replication_password_sealed = "other"; },
  };
  const Durable before = Settled().durable;
  for (size_t i = 0; i < changes.size(); ++i) {
    Durable after = before;
    EXPECT_TRUE(after == before);
    changes[i](after);
    EXPECT_FALSE(after == before) << "field " << i;
  }
}

TEST(NameRecords, AreOthersWithAnyFieldChanged) {
  const NameRecords before = Settled().durable.names;
  for (const auto& change : std::vector<void (*)(NameRecords&)>{
           [](NameRecords& names) { names.epoch += 1; },
           [](NameRecords& names) { names.change += 1; },
           [](NameRecords& names) { names.primary_addresses = {"10.0.0.9"}; },
           [](NameRecords& names) { names.standby_addresses.clear(); },
       }) {
    NameRecords after = before;
    change(after);
    EXPECT_FALSE(after == before);
  }
}

TEST(Settled, IsWhereNoRuleApplies) {
  const Outcome outcome = Look(Settled());
  EXPECT_EQ(outcome.rule, "");
  EXPECT_FALSE(outcome.durable_changed);
  EXPECT_EQ(PhaseOf(Settled(), kNow).name, "Healthy") << PhaseOf(Settled(), kNow).reason;
}

}  // namespace
}  // namespace pgmahout::controller
