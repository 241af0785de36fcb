// SPDX-License-Identifier: Apache-2.0
// With a store that is too old: whom the controller goes on with, and what it tells meanwhile: one
// change, one difference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "common/base/error.h"
#include "controller/core/quarantine.h"
#include "controller/core/status.h"
#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// The store says db1 at epoch 1. db2 was promoted at epoch 2 since, db1 and db3 follow it, and all
// of them have told so.
ClusterState AllHaveReported() {
  ClusterState state = Settled();
  state.durable.quarantined = true;
  state.durable.epoch = 2;
  std::swap(state.members.at("db1").report, state.members.at("db2").report);
  for (auto& [node, member] : state.members) {
    member.report->epoch = 2;
    member.report->timeline = 2;
  }
  Report& primary = ReportFrom(state, "db2");
  primary.writable_epoch = 2;
  primary.started_epoch = 2;
  primary.attached[0].node = "db1";
  primary.quorum_in_effect = Quorum{1, {"db1", "db3"}};
  return state;
}

// Its server was primary at `epoch`, and still runs.
void MakePrimary(ClusterState& state, const std::string& node, uint64_t epoch) {
  Report& report = ReportFrom(state, node);
  report.role = ServerRole::kPrimary;
  report.writable_epoch = epoch;
  report.started_epoch = epoch;
}

// ---- Whom it takes for the primary ----

TEST(AdoptPrimary, NeedsAFreshWordOfEveryMemberAndOneThatIsWritableByAnOrder) {
  ExpectEachPrevents(
      AllHaveReported(), "adopt-primary",
      {{"one has told nothing since this controller started",
        [](ClusterState& state) { state.members.at("db3").report.reset(); }},
       {"what one told is too old",
        [](ClusterState& state) { state.members.at("db3").last_heard = kNow - Duration{20'000}; }},
       {"one has data of another system",
        [](ClusterState& state) { ReportFrom(state, "db3").system_identifier = 4711; }},
       {"the last primary is in recovery",
        [](ClusterState& state) { ReportFrom(state, "db2").role = ServerRole::kStandby; }},
       {"no connection to it answers",
        [](ClusterState& state) { ReportFrom(state, "db2").server = ServerState::kHung; }},
       {"one that is down was made writable later",
        [](ClusterState& state) {
          ReportFrom(state, "db3").server = ServerState::kStopped;
          ReportFrom(state, "db3").started_epoch = 3;
        }},
       {"it has not begun to write at the last epoch at which it was told to",
        [](ClusterState& state) { ReportFrom(state, "db2").started_epoch = 3; }},
       {"it was made writable by no order", [](ClusterState& state) {
          ReportFrom(state, "db2").writable_epoch = 0;
          ReportFrom(state, "db2").started_epoch = 0;
        }}});
}

TEST(AdoptPrimary, DoesNotWaitForWhatNobodyHas) {
  ExpectNonePrevents(
      AllHaveReported(), "adopt-primary",
      {{"a member that has no data yet has told so",
        [](ClusterState& state) {
          ReportFrom(state, "db3").system_identifier = 0;
          ReportFrom(state, "db3").data_is_complete = false;
        }},
       {"an agent dials again: its last word is still good", [](ClusterState& state) {
          state.members.at("db3").connected = false;
          state.members.at("db3").last_heard = kNow - Duration{19'999};
        }}});
}

// One that is cut off from everybody else still thinks that it is the primary.
TEST(AdoptPrimary, TakesTheOneThatWasMadeWritableLast) {
  EXPECT_EQ(Look(AllHaveReported()).state.durable.primary, "db2");
  for (const char* earlier : {"db1", "db3"}) {
    ClusterState state = AllHaveReported();
    MakePrimary(state, earlier, 1);
    EXPECT_EQ(Look(state).state.durable.primary, "db2") << earlier;
  }
  ClusterState state = AllHaveReported();
  state.durable.epoch = 3;
  MakePrimary(state, "db1", 3);
  EXPECT_EQ(Look(state).state.durable.primary, "db1");
}

// ---- What tells that the store is old ----

// Keeps the controller from hearing of all members.
ClusterState OneIsMissing() {
  ClusterState state = Settled();
  state.members.at("db3").report.reset();
  return state;
}

Outcome ReportsEpoch(const ClusterState& state, uint64_t epoch) {
  Report report = *state.members.at("db2").report;
  report.epoch = epoch;
  return Advance(state, AgentReported{"db2", 8, report}, kNow);
}

TEST(StoreIsOld, IsToldOnceAndTheHighestEpochIsAdopted) {
  Outcome outcome = Advance(OneIsMissing(), StoreIsOld{"--restored"}, kNow);
  EXPECT_THAT(RulesIn(outcome), Contains("store-is-old"));
  outcome = ReportsEpoch(outcome.state, 5);
  EXPECT_EQ(outcome.state.durable.epoch, 5U);
  EXPECT_TRUE(outcome.state.durable.quarantined);
  EXPECT_THAT(RulesIn(outcome), Not(Contains("store-is-old")));
}

TEST(StoreIsOld, NotBecauseAnAgentClaimsAnAbsurdEpoch) {
  EXPECT_TRUE(ReportsEpoch(OneIsMissing(), 100'001).state.durable.quarantined);
  const Outcome outcome = ReportsEpoch(OneIsMissing(), 100'002);
  EXPECT_FALSE(outcome.state.durable.quarantined);
  EXPECT_EQ(outcome.state.durable.epoch, 1U);
  EXPECT_THAT(outcome.state.members.at("db2").doubt, HasSubstr("no controller can have given"));
  EXPECT_THAT(RulesIn(outcome), Contains("report-doubted"));
}

// ---- What a person reads ----

std::string Reason(const ClusterState& state) {
  return PhaseOf(state, kNow).reason;
}

TEST(PhaseInQuarantine, NamesWhoIsMissingAndWhy) {
  ClusterState state = AllHaveReported();
  state.members.at("db1").report.reset();
  ReportFrom(state, "db3").system_identifier = 4711;
  EXPECT_THAT(Reason(state), HasSubstr("until all have reported: db1: it has not reported; "
                                       "db3: its data has system identifier 4711; to go on"));
}

TEST(PhaseInQuarantine, SaysThatAPrimaryMustRunWhereAllHaveReported) {
  ClusterState state = AllHaveReported();
  ReportFrom(state, "db2").server = ServerState::kStopped;
  EXPECT_THAT(Reason(state),
              HasSubstr("until the member runs that was made writable last; to go on"));
}

// ---- A person does not want to wait ----

// db3 has the most WAL of the last timeline. Nobody runs as primary.
ClusterState NobodyRuns() {
  ClusterState state = AllHaveReported();
  Report& stopped = ReportFrom(state, "db2");
  stopped.server = ServerState::kStopped;
  stopped.role = ServerRole::kUnknown;
  stopped.writable_epoch = 0;
  stopped.started_epoch = 0;
  ReportFrom(state, "db1").timeline = 1;
  ReportFrom(state, "db1").receive_lsn = Wal(500);
  ReportFrom(state, "db3").receive_lsn = Wal(111);
  return state;
}

std::string GoesOnWith(const ClusterState& state) {
  return Advance(state, FailoverRequested{"", true}, kNow).state.durable.primary;
}

TEST(ForcedOut, GoesOnWithTheMostAdvancedDataThatCanBeHad) {
  EXPECT_EQ(GoesOnWith(NobodyRuns()), "db3");
  const std::vector<Change> changes = {
      {"db3 is not heard", [](ClusterState& state) { Silence(state, "db3"); }},
      {"db3 has half a copy",
       [](ClusterState& state) { ReportFrom(state, "db3").data_is_complete = false; }},
      {"db3 is never to be promoted",
       [](ClusterState& state) { state.durable.spec.failover.priority["db3"] = 0; }},
      {"db3 is on an earlier timeline",
       [](ClusterState& state) { ReportFrom(state, "db3").timeline = 1; }},
      {"db2 was made writable last", [](ClusterState& state) { MakePrimary(state, "db2", 2); }},
      {"db2 has more WAL",
       [](ClusterState& state) { ReportFrom(state, "db2").write_lsn = Wal(112); }}};
  for (const Change& change : changes) {
    ClusterState state = NobodyRuns();
    change.apply(state);
    EXPECT_EQ(GoesOnWith(state), "db2") << change.what;
  }
}

// Agents of a controller that is silent give their streams up and dial again.
TEST(ForcedOut, CountsWhoHasReportedAndDialsAgain) {
  ClusterState state = NobodyRuns();
  state.members.at("db3").connected = false;
  state.members.at("db3").last_heard = kNow - Duration{15'000};
  EXPECT_EQ(GoesOnWith(state), "db3");
}

TEST(ForcedOut, ForgetsHowFarAnotherPrimaryHadCome) {
  ClusterState state = NobodyRuns();
  state.durable.lost_wal_end = Wal(900);
  EXPECT_LT(Advance(state, FailoverRequested{"", true}, kNow).state.durable.lost_wal_end, Wal(900));
}

TEST(ForcedOut, StaysWithTheStoredPrimaryWhereNobodyIsHeard) {
  ClusterState state = NobodyRuns();
  for (const char* node : {"db1", "db2", "db3"}) {
    Silence(state, node);
  }
  const Durable after = Advance(state, FailoverRequested{"", true}, kNow).state.durable;
  EXPECT_EQ(after.primary, "db1");
  EXPECT_EQ(after.stage, Stage::kFencing);
  EXPECT_FALSE(after.quarantined);
  EXPECT_TRUE(after.sole_copy) << "no votes prove anything until it is copied";
}

TEST(ForcedOut, NeedsAMemberAndAnAcceptedLoss) {
  const ClusterState state = NobodyRuns();
  EXPECT_TRUE(CheckFailover(state, {"", true}, kNow).ok());
  EXPECT_TRUE(CheckFailover(state, {"db1", true}, kNow).ok()) << "the one in the store too";
  EXPECT_THAT(InfoOf(CheckFailover(state, {"db9", true}, kNow)).detail,
              HasSubstr("db9 is no standby"));
  EXPECT_FALSE(CheckFailover(state, {"db3", false}, kNow).ok());
  EXPECT_THAT(Advance(state, FailoverRequested{"db3", false}, kNow).entries, IsEmpty());
}

}  // namespace
}  // namespace pgmahout::controller
