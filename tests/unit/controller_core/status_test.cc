// SPDX-License-Identifier: Apache-2.0
// What a person is told: the phase, why it is so, and each member's state.
#include "controller/core/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

using testing::HasSubstr;
using testing::Not;

Phase PhaseNow(const ClusterState& state) {
  return PhaseOf(state, kNow);
}

std::string StateOf(const ClusterState& state, const std::string& node) {
  return MemberStateOf(state, node, kNow);
}

// ---- Phases ----

TEST(Phase, OfAChangeOfPrimaryTellsWhetherItWasPlanned) {
  ClusterState state = Promoting();
  EXPECT_EQ(PhaseNow(state).name, "FailingOver");
  EXPECT_EQ(PhaseNow(state).reason, "promoting db2");
  state.stage_since = kNow - Duration{10'000};
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("promoting db2, which takes long (streaming); to"));
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("--accept-data-loss --to NODE"));
  state.durable.planned = true;
  EXPECT_EQ(PhaseNow(state).name, "SwitchingOver");
  state = Voted();
  state.durable.planned = true;
  state.stage_since = kNow - Duration{9'999};
  EXPECT_EQ(PhaseNow(state).name, "SwitchingOver");
  EXPECT_EQ(PhaseNow(state).reason, "from db1");
  state.stage_since = kNow - Duration{10'000};
  EXPECT_EQ(PhaseNow(state).name, "NoPrimary") << "planned or not, a person must hear of it";
  state = CleanlyStopped();
  EXPECT_EQ(PhaseNow(state).name, "SwitchingOver");
  EXPECT_EQ(PhaseNow(state).reason, "waits for the clean stop of db1");
}

TEST(Phase, NamesWhoseVoteIsMissingAndWhichStepFails) {
  ClusterState state = Voted();
  EXPECT_EQ(PhaseNow(state).name, "NoPrimary");
  ReportFrom(state, "db2").ballot->epoch = 1;
  ReportFrom(state, "db3").ballot.reset();
  ReportFrom(state, "db3").step_error = "no space left on device";
  state.members.at("db1").report.reset();
  const std::string reason = PhaseNow(state).reason;
  EXPECT_THAT(reason, HasSubstr("db2 has not voted yet"));
  EXPECT_THAT(reason, HasSubstr("db3 has not voted yet"));
  EXPECT_THAT(reason, HasSubstr("db3: no space left on device"));
  state.members.at("db3").report.reset();  // this controller has not heard of it since its start
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("db3 is not heard"));
  state.stage_since = kNow - Duration{9'999};
  EXPECT_EQ(PhaseNow(state).name, "FailingOver") << "ten seconds are no reason to call somebody";
}

TEST(Phase, TellsWhoVotesOnlyIfItIsNamed) {
  ClusterState state = Voted();
  Report& former = ReportFrom(state, "db2");
  former.ballot.reset();
  former.started_epoch = 1;
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("db2 has not voted yet")) << "it may still come";
  former.server = ServerState::kStopped;
  EXPECT_THAT(PhaseNow(state).reason,
              HasSubstr("db2 was primary before and votes only if it is named (--to db2)"));
  former.started_epoch = 0;
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("db2 has not voted yet"));
  former.started_epoch = 1;
  former.data_is_complete = false;
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("db2 has not voted yet"));
}

TEST(Phase, TellsWhyTheOneThatWasNamedIsNotPromoted) {
  ClusterState state = Voted();
  state.durable.accept_data_loss = true;
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("the votes do not cover"));
  state.durable.target = "db2";
  EXPECT_THAT(
      PhaseNow(state).reason,
      HasSubstr("waits for db2, which was named: it has voted; the lease of db1 is not over"));
  ReportFrom(state, "db2").ballot->epoch = 1;
  EXPECT_THAT(PhaseNow(state).reason,
              HasSubstr("waits for db2, which was named: it has not voted yet"));
  ReportFrom(state, "db2").replay_paused = true;
  EXPECT_THAT(PhaseNow(state).reason,
              HasSubstr("waits for db2, which was named: its WAL replay is paused"));
  state.durable.accept_data_loss = false;
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("nobody can be promoted"));
}

TEST(Phase, TellsWhoHasTheNewestCommitsWhenAllHaveVoted) {
  ClusterState state = Voted();
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("the votes do not cover all confirmed commits"));
  state.durable.sole_copy = true;
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("db1 alone may have the newest commits"));
  state.durable.sole_copy = false;
  state.durable.quorum = Quorum{};
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("db1 alone may have the newest commits"));
}

TEST(Phase, NamesEachMemberThatIsNotAsItShouldBe) {
  ClusterState state = Settled();
  state.members.at("db2").attached = state.members.at("db2").replays = false;
  EXPECT_EQ(PhaseNow(state).reason, "db2: does not stream (running)");
  ReportFrom(state, "db2").step = "waits for a slot";
  EXPECT_EQ(PhaseNow(state).reason, "db2: does not stream (running): waits for a slot");
  Silence(state, "db3");
  EXPECT_THAT(PhaseNow(state).reason, HasSubstr("db3: its agent is not heard"));
  state = Settled();
  state.members.at("db2").report.reset();
  EXPECT_EQ(PhaseNow(state).reason, "db2: its agent is not connected");
}

TEST(Phase, TellsThatNamesOrConfirmationsAreNotAsSpecified) {
  ClusterState state = Settled();
  state.names.in_sync = false;
  EXPECT_EQ(PhaseNow(state).reason, "DNS: orders-rw.db.example. is not up to date");
  state.names.error = "REFUSED";
  EXPECT_EQ(PhaseNow(state).reason, "DNS: orders-rw.db.example. is not up to date: REFUSED");
  state.durable.spec.dns.primary.clear();
  EXPECT_EQ(PhaseNow(state).name, "Healthy");
  state.durable.quorum.number = 0;
  EXPECT_EQ(PhaseNow(state).reason, "commits are confirmed by 0 standbys instead of 1");
  state.durable.spec.synchronous.durability = DataDurability::kOff;
  EXPECT_EQ(PhaseNow(state).name, "Healthy");
}

// ---- Members ----

TEST(MemberState, OfAServerIsItsState) {
  ClusterState state = Settled();
  EXPECT_EQ(StateOf(state, "db1"), "running");
  for (const auto& [server, word] :
       std::vector<std::pair<ServerState, std::string>>{{ServerState::kAbsent, "absent"},
                                                        {ServerState::kStopped, "stopped"},
                                                        {ServerState::kStarting, "starting"},
                                                        {ServerState::kRunning, "running"},
                                                        {ServerState::kStopping, "stopping"},
                                                        {ServerState::kHung, "hung"}}) {
    ReportFrom(state, "db1").server = server;
    EXPECT_EQ(StateOf(state, "db1"), word);
  }
  ReportFrom(state, "db2").server = ServerState::kStarting;
  EXPECT_EQ(StateOf(state, "db2"), "starting") << "it streams no more";
}

TEST(MemberState, OfAStandbyTellsWhetherItStreams) {
  ClusterState state = Settled();
  EXPECT_EQ(StateOf(state, "db2"), "streaming");
  state.members.at("db2").attached = false;
  EXPECT_EQ(StateOf(state, "db2"), "running");
}

TEST(MemberState, WithoutCompleteDataTellsWhetherItIsBeingMade) {
  ClusterState state = Settled();
  Report& report = ReportFrom(state, "db2");
  report.data_is_complete = false;
  report.server = ServerState::kAbsent;
  EXPECT_EQ(StateOf(state, "db2"), "absent");
  report.step = "base-backup";
  EXPECT_EQ(StateOf(state, "db2"), "creating");
  report.step.clear();
  report.server = ServerState::kStopped;
  EXPECT_EQ(StateOf(state, "db2"), "creating");
}

TEST(MemberState, IsUnknownOfWhoIsNotHeard) {
  ClusterState state = Settled();
  Silence(state, "db2");
  EXPECT_EQ(StateOf(state, "db2"), "unknown");
  state = Settled();
  state.members.at("db2").report.reset();
  EXPECT_EQ(StateOf(state, "db2"), "unknown");
  state = Settled();
  state.members.at("db2").connected = false;
  EXPECT_EQ(StateOf(state, "db2"), "unknown");
}

TEST(SyncState, IsQuorumForWhoConfirmsCommits) {
  ClusterState state = Settled();
  EXPECT_EQ(SyncStateOf(state, "db1"), "");
  EXPECT_EQ(SyncStateOf(state, "db2"), "quorum");
  state.durable.quorum = Quorum{1, {"db3"}};
  EXPECT_EQ(SyncStateOf(state, "db2"), "async");
  state.durable.quorum = Quorum{0, {"db2", "db3"}};
  EXPECT_EQ(SyncStateOf(state, "db2"), "async") << "a witness confirms nothing";
}

}  // namespace
}  // namespace pgmahout::controller
