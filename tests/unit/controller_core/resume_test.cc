// SPDX-License-Identifier: Apache-2.0
// When the old primary goes on itself, when a chosen one is confirmed, and when it is given up: one
// change, one difference.
#include <gtest/gtest.h>

#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

// ---- Nobody else may be promoted ----

// db1 holds its server stopped at epoch 2; no standby is there.
ClusterState OnlyTheOldPrimaryIsBack() {
  ClusterState state = Voted();
  MemberView& old = state.members.at("db1");
  old.last_heard = kNow;
  old.report->epoch = 2;
  old.report->server = ServerState::kStopped;
  old.report->role = ServerRole::kUnknown;
  for (const char* node : {"db2", "db3"}) {
    Silence(state, node);
    state.members.at(node).connected = false;
  }
  return state;
}

// db2 is back as well; it has not voted yet.
void LetDb2DialIn(ClusterState& state) {
  MemberView& standby = state.members.at("db2");
  standby.connected = true;
  standby.last_heard = kNow;
  standby.report->ballot.reset();
  state.stage_since = kNow - Duration{100};
}

// It has voted long ago, which does not suffice: db3 is away.
void LetDb2Vote(ClusterState& state, uint32_t timeline) {
  LetDb2DialIn(state);
  ReportFrom(state, "db2").ballot = Ballot{2, timeline, Wal(110)};
  state.stage_since = kNow - Duration{60'000};
}

TEST(ResumeOldPrimary, NeedsTheUntouchedDataOfAServerThatIsHeldStopped) {
  ExpectEachPrevents(
      OnlyTheOldPrimaryIsBack(), "resume-old-primary",
      {{"it is not heard", [](ClusterState& state) { Silence(state, "db1"); }},
       {"its agent does not know of this epoch yet",
        [](ClusterState& state) { ReportFrom(state, "db1").epoch = 1; }},
       {"its server is not stopped",
        [](ClusterState& state) { ReportFrom(state, "db1").server = ServerState::kStopping; }},
       {"its data is not complete",
        [](ClusterState& state) { ReportFrom(state, "db1").data_is_complete = false; }},
       {"its data is of another cluster",
        [](ClusterState& state) { ReportFrom(state, "db1").system_identifier = 1; }},
       {"it is never to be promoted",
        [](ClusterState& state) { state.durable.spec.failover.priority["db1"] = 0; }},
       {"what it reports is not believed",
        [](ClusterState& state) { state.members.at("db1").doubt = "it reports WAL of tomorrow"; }},
       {"a person has named another one, which can be heard",
        [](ClusterState& state) {
          LetDb2DialIn(state);
          state.stage_since = kNow - Duration{60'000};
          state.durable.target = "db2";
          state.durable.accept_data_loss = true;
        }},
       {"somebody was promoted after it, by a store that is lost",
        [](ClusterState& state) { LetDb2Vote(state, 2); }},
       {"a standby may still vote", LetDb2DialIn},
       {"this controller has just started, and others may dial in",
        [](ClusterState& state) { state.started_at = state.stage_since = kNow - Duration{100}; }}});
}

TEST(ResumeOldPrimary, DoesNotWaitForWhoCannotVote) {
  ExpectNonePrevents(OnlyTheOldPrimaryIsBack(), "resume-old-primary",
                     {{"a standby without data is there",
                       [](ClusterState& state) {
                         LetDb2DialIn(state);
                         ReportFrom(state, "db2").data_is_complete = false;
                       }},
                      {"one that has told nothing yet is there",
                       [](ClusterState& state) {
                         LetDb2DialIn(state);
                         state.members.at("db2").report.reset();
                       }},
                      {"a standby has voted, which does not suffice",
                       [](ClusterState& state) { LetDb2Vote(state, 1); }},
                      {"a standby has not voted for seconds", [](ClusterState& state) {
                         LetDb2DialIn(state);
                         state.stage_since = kNow - Duration{3'000};
                       }}});
}

// ---- The chosen one ----

ClusterState Promoted() {
  ClusterState state = Promoting();
  Report& report = ReportFrom(state, "db2");
  report.role = ServerRole::kPrimary;
  report.timeline = 2;
  report.fork_lsn = Wal(110);
  report.write_lsn = Wal(110);
  report.writable_epoch = 2;
  return state;
}

TEST(PromotionConfirmed, NeedsAServerThatIsWritableAtThisEpoch) {
  ExpectEachPrevents(
      Promoted(), "promotion-confirmed",
      {{"it has told nothing yet",
        [](ClusterState& state) { state.members.at("db2").report.reset(); }},
       {"it is in recovery",
        [](ClusterState& state) { ReportFrom(state, "db2").role = ServerRole::kStandby; }},
       {"no connection answers",
        [](ClusterState& state) { ReportFrom(state, "db2").server = ServerState::kHung; }},
       {"it is writable by an earlier order",
        [](ClusterState& state) { ReportFrom(state, "db2").writable_epoch = 1; }}});
}

// A minute into the promotion, and down for as long.
ClusterState DownSince(Duration ago, ServerState server = ServerState::kStopped) {
  ClusterState state = Promoting();
  state.stage_since = kNow - Duration{60'000};
  state.members.at("db2").down_since = kNow - ago;
  ReportFrom(state, "db2").server = server;
  return state;
}

TEST(CandidateIsLost, WhenItsServerIsDownOrHungForThreeTimesDetectAfter) {
  EXPECT_TRUE(Fires(DownSince(Duration{9'000}), "candidate-is-lost"));
  EXPECT_TRUE(Fires(DownSince(Duration{9'000}, ServerState::kHung), "candidate-is-lost"));
  EXPECT_FALSE(Fires(DownSince(Duration{8'999}), "candidate-is-lost"));
  EXPECT_FALSE(Fires(DownSince(Duration{9'000}, ServerState::kStarting), "candidate-is-lost"))
      << "a long recovery";
  ClusterState state = DownSince(Duration{20'000});
  state.stage_since = kNow - Duration{8'999};
  EXPECT_FALSE(Fires(state, "candidate-is-lost")) << "the order to start has just come";
  state = DownSince(Duration{20'000});
  state.members.at("db2").down_since.reset();
  EXPECT_FALSE(Fires(state, "candidate-is-lost")) << "since when is not known";
}

TEST(CandidateIsLost, WhenItIsSilentForDetectAfter) {
  ClusterState state = Promoting();
  Silence(state, "db2");
  state.stage_since = kNow - Duration{2'999};
  EXPECT_FALSE(Fires(state, "candidate-is-lost")) << "it was chosen a moment ago";
  state.stage_since = kNow - Duration{3'000};
  EXPECT_TRUE(Fires(state, "candidate-is-lost"));
}

TEST(CandidateIsLost, WhenItsStepFailsForTenTimesDetectAfter) {
  ClusterState state = Promoting();
  ReportFrom(state, "db2").step_error = "no space left on device";
  state.stage_since = kNow - Duration{29'999};
  EXPECT_FALSE(Fires(state, "candidate-is-lost"));
  state.stage_since = kNow - Duration{30'000};
  EXPECT_TRUE(Fires(state, "candidate-is-lost"));
}

// Right after a restart of the controller.
TEST(CandidateIsLost, NotWhileItHasHadNoTimeToTellAnything) {
  ClusterState state = Promoting();
  state.members.at("db2").report.reset();
  state.stage_since = kNow - Duration{2'000};
  EXPECT_FALSE(Fires(state, "candidate-is-lost"));
}

}  // namespace
}  // namespace pgmahout::controller
