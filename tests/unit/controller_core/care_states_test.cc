// SPDX-License-Identifier: Apache-2.0
// Pause, maintenance, reinit and restart, each condition by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "controller/core/care.h"
#include "controller/core/failover.h"
#include "controller/core/plan.h"
#include "controller/core/quorum.h"
#include "controller/core/status.h"
#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string Detail(const absl::Status& status) {
  return status.ok() ? "ok" : InfoOf(status).detail;
}

// ---- Reinit ----

ClusterState AskedForReinit() {
  ClusterState state = Settled();
  state.durable.quorum = Quorum{1, {"db2"}};
  ReportFrom(state, "db1").quorum_in_effect = state.durable.quorum;
  state.durable.reinit = Reinit{"db3", 1, 1, false};
  return state;
}

TEST(ReinitRules, OrderOnceNothingRestsOnTheOldCopy) {
  ExpectEachPrevents(
      AskedForReinit(), "reinit-ordered",
      {{"nothing is asked for", [](ClusterState& s) { s.durable.reinit = Reinit{}; }},
       {"it is ordered", [](ClusterState& s) { s.durable.reinit.is_ordered = true; }},
       {"an older quorum",
        [](ClusterState& s) {
          s.durable.older = {Quorum{1, {"db2", "db3"}}};
          ReportFrom(s, "db1").quorum_in_effect.reset();
        }},
       {"the primary is silent", [](ClusterState& s) { Silence(s, "db1"); }},
       {"the primary is not writable at this epoch",
        [](ClusterState& s) { ReportFrom(s, "db1").writable_epoch = 0; }}});
}

TEST(ReinitRules, EndWhenTheNewCopyStreams) {
  ClusterState state = AskedForReinit();
  state.durable.reinit.is_ordered = true;
  ReportFrom(state, "db3").data_number = 2;
  ExpectEachPrevents(
      state, "reinit-done",
      {{"the old directory", [](ClusterState& s) { ReportFrom(s, "db3").data_number = 1; }},
       {"it does not stream", [](ClusterState& s) { s.members.at("db3").attached = false; }},
       {"nothing is known of it", [](ClusterState& s) { s.members.at("db3").report.reset(); }}});
}

TEST(ReinitRules, AreOfOneEpochAndOfMembers) {
  ClusterState state = AskedForReinit();
  EXPECT_FALSE(Fires(state, "reinit-given-up"));
  state.durable.reinit.epoch = 9;
  EXPECT_TRUE(Fires(state, "reinit-given-up"));
  state.durable.reinit = Reinit{"db9", 1, 1, false};
  EXPECT_TRUE(Fires(state, "reinit-given-up"));
}

TEST(ReinitOrder, GoesToItsNodeAndEpochOnly) {
  ClusterState state = AskedForReinit();
  EXPECT_EQ(DesiredFor(state, "db3").rebuild_directory, 0U) << "not ordered yet";
  state.durable.reinit.is_ordered = true;
  EXPECT_EQ(DesiredFor(state, "db3").rebuild_directory, 1U);
  EXPECT_EQ(DesiredFor(state, "db2").rebuild_directory, 0U);
  state.durable.epoch = 2;
  EXPECT_EQ(DesiredFor(state, "db3").rebuild_directory, 0U);
  state.durable.epoch = 1;
  state.durable.stage = Stage::kPromoting;
  EXPECT_EQ(DesiredFor(state, "db3").rebuild_directory, 0U);
}

TEST(ReinitRequest, DoesNotTrustWhatIsDoubted) {
  ClusterState state = Settled();
  EXPECT_TRUE(CheckReinit(state, {"db3"}, kNow).ok());
  state.members.at("db3").doubt = "it reports WAL beyond anything";
  EXPECT_THAT(Detail(CheckReinit(state, {"db3"}, kNow)), HasSubstr("not believed"));
  state = Settled();
  ReportFrom(state, "db1").server = ServerState::kStarting;
  EXPECT_THAT(Detail(CheckReinit(state, {"db3"}, kNow)), HasSubstr("does not run"));
}

// ---- Restart ----

ClusterState AskedForRestart(std::vector<std::string> nodes, uint64_t server = 0) {
  ClusterState state = Settled();
  state.durable.restart = Restart{std::move(nodes), server, 1, false};
  return state;
}

TEST(RestartRules, TellTheNextStandbyWhenNothingElseIsUnderWay) {
  ExpectEachPrevents(
      AskedForRestart({"db2"}), "restart-standby",
      {{"nothing is asked for", [](ClusterState& s) { s.durable.restart = Restart{}; }},
       {"it is told", [](ClusterState& s) { s.durable.restart.server = 100; }},
       {"a quorum changes",
        [](ClusterState& s) {
          s.durable.older = {Quorum{1, {"db2"}}};
          ReportFrom(s, "db1").quorum_in_effect.reset();
        }},
       {"it is silent", [](ClusterState& s) { Silence(s, "db2"); }},
       {"the primary is silent", [](ClusterState& s) { Silence(s, "db1"); }},
       {"commits wait for somebody who is away",
        [](ClusterState& s) { s.members.at("db3").attached = false; }},
       {"it does not run", [](ClusterState& s) { ReportFrom(s, "db2").server_started = 0; }},
       {"it is the primary", [](ClusterState& s) { s.durable.restart.nodes = {"db1"}; }},
       {"the primary changes", [](ClusterState& s) { s.durable.stage = Stage::kPromoting; }}});
}

TEST(RestartRules, DoNotWaitForWhomNoCommitWaitsFor) {
  ClusterState state = AskedForRestart({"db2"});
  state.members.at("db2").attached = false;
  EXPECT_TRUE(Fires(state, "restart-standby")) << "a restart may be what it needs";
  state = AskedForRestart({"db2"});
  state.durable.quorum.standbys = {"db2"};
  ReportFrom(state, "db1").quorum_in_effect = state.durable.quorum;
  state.members.at("db3").attached = false;
  state.members.at("db3").not_streaming_since = kNow - Duration{60'000};
  EXPECT_TRUE(Fires(state, "restart-standby"));
}

TEST(RestartRules, WaitUntilTheMemberIsBack) {
  ExpectEachPrevents(
      AskedForRestart({"db2"}, 99), "restarted",
      {{"nothing is asked for", [](ClusterState& s) { s.durable.restart = Restart{}; }},
       {"the old server", [](ClusterState& s) { s.durable.restart.server = 100; }},
       {"nothing is known of it", [](ClusterState& s) { s.members.at("db2").report.reset(); }},
       {"it starts", [](ClusterState& s) { ReportFrom(s, "db2").server = ServerState::kStarting; }},
       {"it is not known which server runs",
        [](ClusterState& s) { ReportFrom(s, "db2").server_started = 0; }},
       {"it does not stream", [](ClusterState& s) { s.members.at("db2").attached = false; }},
       {"only its old server is known to stream",
        [](ClusterState& s) { ReportFrom(s, "db2").receiver_streaming = false; }},
       {"it does not replay", [](ClusterState& s) { s.members.at("db2").replays = false; }},
       {"the primary changes", [](ClusterState& s) { s.durable.stage = Stage::kPromoting; }}});
  EXPECT_TRUE(Fires(AskedForRestart({"db1"}, 99), "restarted")) << "a primary need not stream";
}

TEST(RestartRules, HandOverOnlyToWhoCanTakeIt) {
  ExpectEachPrevents(AskedForRestart({"db1"}), "restart-by-switchover",
                     {{"it is told", [](ClusterState& s) { s.durable.restart.server = 100; }},
                      {"a standby", [](ClusterState& s) { s.durable.restart.nodes = {"db2"}; }},
                      {"in place", [](ClusterState& s) { s.durable.restart.in_place = true; }},
                      {"nobody can take over", [](ClusterState& s) {
                         s.durable.spec.failover.priority = {{"db2", 0}, {"db3", 0}};
                       }}});
  ClusterState state = AskedForRestart({"db1"});
  state.durable.restart.in_place = true;
  ExpectEachPrevents(
      state, "restart-in-place",
      {{"it is told", [](ClusterState& s) { s.durable.restart.server = 100; }},
       {"a standby", [](ClusterState& s) { s.durable.restart.nodes = {"db2"}; }},
       {"by switchover", [](ClusterState& s) { s.durable.restart.in_place = false; }}});
  const Outcome outcome = Look(state);
  EXPECT_EQ(outcome.state.durable.target, "db1");
  EXPECT_EQ(outcome.state.durable.restart.epoch, 2U) << "this change of primary is its own";
}

TEST(RestartRules, GiveUpAfterAWhileOrAChangeOfPrimary) {
  ClusterState state = AskedForRestart({"db2"}, 100);
  EXPECT_FALSE(Fires(state, "restart-given-up"));
  state.restart_since = kNow - Duration{600'000};
  EXPECT_TRUE(Fires(state, "restart-given-up"));
  state.durable.stage = Stage::kPromoting;
  ReportFrom(state, "db1").writable_epoch = 0;
  EXPECT_FALSE(Fires(state, "restart-given-up")) << "a switchover of its own has its own limits";
  state = AskedForRestart({"db2"}, 100);
  state.durable.restart.epoch = 9;
  EXPECT_TRUE(Fires(state, "restart-given-up"));
}

TEST(RestartRules, DoNotCountTimeInWhichNobodyWatched) {
  const Duration missed{700'000};
  const Outcome outcome =
      Advance(AskedForRestart({"db2"}, 100), WatchInterrupted{missed}, kNow + missed);
  EXPECT_THAT(RulesIn(outcome), Not(Contains("restart-given-up")));
}

TEST(RestartRules, SkipWhoIsOut) {
  EXPECT_FALSE(Fires(AskedForRestart({"db2"}), "restart-skips"));
  EXPECT_TRUE(Fires(AskedForRestart({"db9"}), "restart-skips"));
  ClusterState state = AskedForRestart({"db2", "db3"});
  state.durable.maintenance = {"db2"};
  EXPECT_TRUE(Fires(state, "restart-skips"));
}

TEST(RestartOrder, GoesToTheMemberWhoseTurnItIs) {
  ClusterState state = AskedForRestart({"db2", "db3"}, 100);
  EXPECT_EQ(DesiredFor(state, "db2").restart_server, 100U);
  EXPECT_EQ(DesiredFor(state, "db3").restart_server, 0U);
  state.durable.epoch = 2;
  EXPECT_EQ(DesiredFor(state, "db2").restart_server, 0U);
}

TEST(RestartRequest, TakesWhoNeedsItInOrder) {
  ClusterState state = Settled();
  for (const char* node : {"db1", "db3"}) {
    ReportFrom(state, node).pending_restart = {"max_connections"};
  }
  EXPECT_THAT(MembersToRestart(state, {}), ElementsAre("db3", "db1"));
  EXPECT_THAT(MembersToRestart(state, {"db1", false, false}), ElementsAre("db1"));
  EXPECT_THAT(MembersToRestart(state, {"db3", false, false}), ElementsAre("db3"));
  EXPECT_THAT(MembersToRestart(state, {"db2", false, false}), IsEmpty());
  EXPECT_THAT(MembersToRestart(state, {"", true, false}), ElementsAre("db2", "db3", "db1"));
  state.members.at("db3").report.reset();
  ReportFrom(state, "db2").server_started = 0;
  state.durable.maintenance = {"db1"};
  EXPECT_THAT(MembersToRestart(state, {"", true, false}), IsEmpty());
  EXPECT_EQ(Detail(CheckRestart(state, {"db3", true, false}, kNow)),
            "db3: its server does not run");
}

TEST(RestartInPlace, StartsAgainWhenItHasStoppedCleanly) {
  ClusterState state = CleanlyStopped();
  state.durable.target = "db1";
  ExpectEachPrevents(
      state, "start-again-in-place",
      {{"a switchover", [](ClusterState& s) { s.durable.target = "db2"; }},
       {"it crashed", [](ClusterState& s) { ReportFrom(s, "db1").clean_stop = false; }},
       {"it is still stopping",
        [](ClusterState& s) { ReportFrom(s, "db1").server = ServerState::kStopping; }},
       {"another stage", [](ClusterState& s) { s.durable.stage = Stage::kFencing; }}});
}

// ---- Maintenance ----

TEST(MaintenanceRules, GiveUpWhenThePrimaryStays) {
  ClusterState state = Settled();
  state.durable.maintenance = {"db1"};
  ExpectEachPrevents(
      state, "maintenance-given-up",
      {{"a standby", [](ClusterState& s) { s.durable.maintenance = {"db2"}; }},
       {"the switchover goes on", [](ClusterState& s) { s.durable.stage = Stage::kStopping; }}});
  EXPECT_FALSE(DesiredFor(state, "db1").hands_off) << "a primary is never left alone";
  EXPECT_FALSE(DesiredFor(state, "db2").hands_off);
}

TEST(Maintenance, CountsInNoVoteOnceNoCommitRestsOnIt) {
  ClusterState state = Voted();
  state.durable.maintenance = {"db3"};
  EXPECT_TRUE(VoteCounts(state.durable, "db3")) << "it is in the quorum still";
  state.durable.quorum = Quorum{1, {"db2"}};
  EXPECT_FALSE(VoteCounts(state.durable, "db3"));
  EXPECT_TRUE(Fires(state, "promote-by-votes"));
  state.durable.older = {Quorum{1, {"db2", "db3"}}};
  EXPECT_TRUE(VoteCounts(state.durable, "db3"));
}

TEST(Maintenance, KeepsNobodyWaitingForItsVote) {
  ClusterState state = Voted();
  state.durable.accept_data_loss = true;
  state.durable.quorum = Quorum{1, {"db2", "db4"}};  // db4 is lost for good
  state.stage_since = kNow;
  ReportFrom(state, "db3").ballot.reset();
  EXPECT_FALSE(Fires(state, "promote-accepting-loss")) << "its vote may still come";
  state.durable.maintenance = {"db3"};
  EXPECT_TRUE(Fires(state, "promote-accepting-loss"));
}

TEST(Maintenance, IsNoPlaceForAPrimary) {
  ClusterState state = Voted();
  state.durable.maintenance = {"db3"};
  state.durable.spec.failover.priority = {{"db2", 1}, {"db3", 100}};
  EXPECT_TRUE(VoteCounts(state.durable, "db3")) << "commits may rest on it";
  EXPECT_EQ(Look(state).state.durable.primary, "db2");
}

TEST(Maintenance, RequiredKeepsWhoIsNeeded) {
  ClusterSpec spec = SpecOf(3);
  spec.synchronous.durability = DataDurability::kRequired;
  ClusterState state = Settled(spec);
  EXPECT_EQ(WhyQuorumNeeds(state, "db3"), "");
  EXPECT_EQ(WhyQuorumNeeds(state, "db1"), "") << "one takes over, the other confirms";
  state.members.at("db2").attached = false;
  EXPECT_THAT(WhyQuorumNeeds(state, "db3"), HasSubstr("only 0 of 1"));
  EXPECT_THAT(WhyQuorumNeeds(state, "db1"), HasSubstr("only 0 of 1"));
  state.members.at("db3").attached = false;
  EXPECT_THAT(WhyQuorumNeeds(state, "db1"), HasSubstr("only 0 of 1"));
  state = Settled(spec);
  state.durable.maintenance = {"db2"};
  EXPECT_THAT(WhyQuorumNeeds(state, "db3"), HasSubstr("only 0 of 1"));
  state.durable.quorum.standbys = {"db2"};
  EXPECT_EQ(WhyQuorumNeeds(state, "db3"), "") << "it confirms nothing anyway";
}

// ---- Pause ----

TEST(PauseRequest, ResetsWhatWasDownBefore) {
  ClusterState state = Settled();
  state.durable.paused = true;
  state.members.at("db1").down_since = kNow - Duration{60'000};
  const Outcome outcome = Advance(state, PauseRequested{false}, kNow);
  EXPECT_EQ(outcome.state.members.at("db1").down_since, kNow);
  EXPECT_FALSE(outcome.state.members.at("db2").down_since.has_value());
}

TEST(PauseRequest, IsNotTakenTwice) {
  ClusterState state = Settled();
  EXPECT_FALSE(Advance(state, PauseRequested{false}, kNow).durable_changed);
  state.durable.paused = true;
  EXPECT_TRUE(CheckPause(state, {true}, kNow).ok());
  state.durable.stage = Stage::kPromoting;
  EXPECT_TRUE(CheckPause(state, {true}, kNow).ok()) << "it is paused already";
}

TEST(Pause, LeavesTheWitnessAlone) {
  ClusterSpec spec = SpecOf(2);
  spec.witness = "w1";
  ClusterState state = Settled(spec);
  state.durable.paused = true;
  EXPECT_FALSE(DesiredFor(state, "w1").hands_off);
  EXPECT_TRUE(DesiredFor(state, "db2").hands_off);
}

TEST(Pause, TellsWhatIsHeldBackOfWhom) {
  ClusterState state = Settled();
  state.durable.paused = true;
  EXPECT_THAT(HeldBackByPause(state, kNow), IsEmpty());
  ReportFrom(state, "db1").server = ServerState::kStopped;
  state.members.at("db1").down_since = kNow;
  ReportFrom(state, "db2").server = ServerState::kStopped;
  ReportFrom(state, "db3").data_is_complete = false;
  EXPECT_THAT(HeldBackByPause(state, kNow),
              ElementsAre(HasSubstr("primary-reports-down of db1"),
                          "PostgreSQL on db2 would be started", "db3 would be copied anew"));
  state.durable.maintenance = {"db2"};
  state.members.at("db3").report.reset();
  EXPECT_THAT(HeldBackByPause(state, kNow), Not(Contains(HasSubstr("would be"))));
}

TEST(Pause, TellsWhatNamesNoNode) {
  ClusterState state = Settled();
  state.durable.paused = true;
  state.durable.was_healthy = false;
  EXPECT_THAT(HeldBackByPause(state, kNow), ElementsAre(HasSubstr("first-time-healthy")));
}

// ---- What all of them refuse ----

TEST(Care, AsksNothingOfAStoreThatIsTooOld) {
  ClusterState state = Settled();
  state.durable.quarantined = true;
  for (const absl::Status& refused :
       {CheckPause(state, {true}, kNow), CheckMaintenance(state, {"db2", true}, kNow),
        CheckReinit(state, {"db2"}, kNow), CheckRestart(state, {"", true, false}, kNow)}) {
    EXPECT_THAT(Detail(refused), HasSubstr("store is older"));
  }
  EXPECT_TRUE(CheckPause(state, {false}, kNow).ok());
  EXPECT_TRUE(CheckMaintenance(state, {"db2", false}, kNow).ok());
}

TEST(Care, RequestsThatCameTooLateChangeNothing) {
  const ClusterState state = Promoting();
  for (const Event& request :
       {Event{PauseRequested{true}}, Event{MaintenanceRequested{"db3", true}},
        Event{ReinitRequested{"db3"}}, Event{RestartRequested{"", true, false}}}) {
    EXPECT_FALSE(Advance(state, request, kNow).durable_changed);
  }
}

// ---- Status ----

TEST(Status, TellsThatAPrimaryDoesNotRun) {
  ClusterSpec spec = SpecOf(3);
  spec.failover.automatic = false;
  ClusterState state = Settled(spec);
  ReportFrom(state, "db1").server = ServerState::kStopped;
  EXPECT_EQ(PhaseOf(state, kNow).name, "Degraded");
  EXPECT_THAT(PhaseOf(state, kNow).reason, HasSubstr("db1: PostgreSQL does not run (stopped)"));
  state.durable.stage = Stage::kCreating;
  EXPECT_THAT(PhaseOf(state, kNow).reason, Not(HasSubstr("does not run")));
}

TEST(Status, TellsWhoIsLeavingTheQuorum) {
  ClusterState state = Settled();
  state.durable.maintenance = {"db2"};
  EXPECT_EQ(SyncStateOf(state, "db2"), "leaving");
  EXPECT_EQ(SyncStateOf(state, "db3"), "quorum");
  state.durable.quorum.standbys = {"db3"};
  EXPECT_EQ(SyncStateOf(state, "db2"), "async");
}

TEST(Status, TellsWhatIsUnderWay) {
  ClusterState state = Settled();
  state.durable.reinit = Reinit{"db3", 1, 1, false};
  EXPECT_THAT(PhaseOf(state, kNow).reason, HasSubstr("db3 leaves the quorum, to be copied anew"));
  state.durable.reinit.is_ordered = true;
  EXPECT_THAT(PhaseOf(state, kNow).reason, HasSubstr("db3 is copied anew"));
  EXPECT_EQ(PhaseOf(state, kNow).name, "Degraded");
}

TEST(Status, TellsWhoWaitsForARestart) {
  ClusterState state = Settled();
  ReportFrom(state, "db2").pending_restart = {"max_connections", "shared_buffers"};
  const std::string notice = "db2 waits for a restart: max_connections, shared_buffers";
  EXPECT_EQ(PhaseOf(state, kNow).name, "Healthy");
  EXPECT_EQ(PhaseOf(state, kNow).reason, notice);
  state.durable.paused = true;
  EXPECT_THAT(PhaseOf(state, kNow).reason, HasSubstr(notice));
  state.members.at("db2").report.reset();
  EXPECT_THAT(PhaseOf(state, kNow).reason, Not(HasSubstr("waits for a restart")));
}

TEST(Status, TellsOfAMaintenanceBesideComplaints) {
  ClusterState state = Settled();
  state.durable.maintenance = {"db2"};
  Silence(state, "db3");
  EXPECT_EQ(PhaseOf(state, kNow).name, "Degraded");
  EXPECT_THAT(PhaseOf(state, kNow).reason, HasSubstr("in maintenance: db2"));
}

TEST(Plan, SaysNothingOfANodeThatIsNotThere) {
  ClusterState state = Settled();
  state.members.at("db2").report.reset();
  const std::vector<std::string> steps = StepsOf(state, MaintenanceRequested{"db3", true}, kNow);
  EXPECT_THAT(steps, Contains(HasSubstr("nobody is left to take over")));
}

}  // namespace
}  // namespace pgmahout::controller
