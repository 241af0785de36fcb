// SPDX-License-Identifier: Apache-2.0
// A lost primary: who is suspected, who votes, who is promoted, and when nobody may be.
#include "controller/core/failover.h"

#include <gtest/gtest.h>

#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

// ---- The straight way ----

TEST(Failover, CrashedPrimaryIsReplacedByTheBestVoter) {
  Drive drive = Drive::Healthy();
  drive.node("db3").streams = false;  // db3 stays behind
  drive.Pass(Duration{200});
  drive.Commit();
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("primary-reports-down"));
  EXPECT_TRUE(drive.Fired("vote"));
  EXPECT_TRUE(drive.Fired("promote-by-votes"));
  EXPECT_TRUE(drive.Fired("promotion-confirmed"));
  EXPECT_EQ(drive.durable().epoch, 2U);
  EXPECT_EQ(drive.durable().timeline, 2U);
  EXPECT_EQ(drive.durable().fork_lsn, Wal(111));
}

TEST(Failover, TakesLessThanASecondWhenTheAgentLives) {
  Drive drive = Drive::Healthy();
  drive.Crash("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }, Duration{1'000}));
}

TEST(Failover, OldPrimaryComesBackAsAStandbyThatMayBeRebuilt) {
  Drive drive = Drive::Healthy();
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  EXPECT_EQ(drive.Desired("db1").assignment, Assignment::kStandby);
  EXPECT_FALSE(drive.Desired("db1").may_rebuild) << "I7: its data may still be the best copy";
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  const DesiredState desired = drive.Desired("db1");
  EXPECT_EQ(desired.upstream, "db2");
  EXPECT_TRUE(desired.may_rebuild);
  EXPECT_EQ(desired.upstream_timeline, 2U);
  EXPECT_EQ(desired.parent_timeline, 1U);
  EXPECT_EQ(desired.fork_lsn, drive.durable().fork_lsn);
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db1", "db3"}}));
}

TEST(Failover, OneAfterTheOtherIsSurvived) {
  Drive drive = Drive::Healthy();
  for (const char* lost : {"db1", "db2", "db1", "db2"}) {
    const uint64_t epoch = drive.durable().epoch;
    ASSERT_EQ(drive.durable().primary, lost);
    drive.Commit();
    drive.Crash(lost);
    ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().epoch > epoch && drive.IsHealthy(); }))
        << drive.PhaseReason();
  }
}

// The last standby is promoted without a loss and without a person (design, section 6).
TEST(Failover, SurvivesAStandbyLostTodayAndThePrimaryTomorrow) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  ASSERT_TRUE(drive.PassUntil([&] {
    return drive.durable().quorum == (Quorum{1, {"db2"}}) && drive.durable().older.empty();
  }));
  drive.KillVm("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

// ---- Suspecting ----

TEST(Suspicion, SilentVmIsReplacedAfterDetectAfter) {
  Drive drive = Drive::Healthy();
  const BootTime lost = drive.now();
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  EXPECT_TRUE(drive.Fired("primary-is-silent"));
  EXPECT_GE(drive.now() - lost, Duration{2'000});
  EXPECT_LE(drive.now() - lost, Duration{4'000});
}

// A VM whose kernel still answers: its stream ends at once, and so do the standbys' receivers.
TEST(Suspicion, LostStreamIsSilenceOnceNobodyDialsAgain) {
  Drive drive = Drive::Healthy();
  const BootTime lost = drive.now();
  drive.KillVm("db1");
  drive.Feed(AgentDisconnected{"db1"});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  EXPECT_GE(drive.now() - lost, Duration{500});
  EXPECT_LE(drive.now() - lost, Duration{1'000});
}

// Everything stood still, the controller too: streams are lost, receivers have timed out. The first
// agents to be heard again prove nothing about those who are still dialling.
TEST(Suspicion, StreamsThatAreBackSoonProveNothing) {
  Drive drive = Drive::Healthy();
  drive.FreezeController(Duration{6'000});
  for (const char* node : {"db1", "db2", "db3"}) {
    drive.Cut(node);
  }
  drive.node("db2").streams = false;
  drive.node("db3").streams = false;
  drive.Heal("db2");
  drive.Heal("db3");
  drive.Pass(Duration{400});
  drive.Heal("db1");
  drive.node("db2").streams = true;
  drive.node("db3").streams = true;
  drive.Pass(Duration{10'000});
  EXPECT_EQ(drive.durable().epoch, 1U);
  EXPECT_TRUE(drive.IsHealthy()) << drive.PhaseReason();
}

TEST(Suspicion, TimeInWhichTheControllerStoodStillIsNobodysSilence) {
  Drive drive = Drive::Healthy();
  drive.node("db1").heard = false;
  drive.node("db2").streams = false;
  drive.node("db3").streams = false;
  drive.Pass(Duration{500});
  drive.FreezeController(Duration{60'000});
  drive.Pass(Duration{2'000});
  EXPECT_EQ(drive.durable().epoch, 1U);
  drive.Pass(Duration{1'500});
  EXPECT_TRUE(drive.Fired("primary-is-silent")) << "and then it counts again";
}

TEST(Suspicion, StandbyThatStillStreamsVetoes) {
  Drive drive = Drive::Healthy();
  drive.Cut("db1");
  drive.node("db3").streams = false;
  drive.Pass(Duration{30'000});
  EXPECT_EQ(drive.durable().stage, Stage::kRunning);
  EXPECT_EQ(drive.durable().epoch, 1U);
}

TEST(Suspicion, NobodyIsFencedWhenTheControllerHearsNobody) {
  Drive drive = Drive::Healthy();
  for (const char* node : {"db1", "db2", "db3"}) {
    drive.Cut(node);
  }
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().stage, Stage::kRunning);
}

TEST(Suspicion, HungServerIsReplacedAfterDetectAfter) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;
  drive.node("db1").report.server = ServerState::kHung;
  drive.Pass(Duration{2'500});
  EXPECT_EQ(drive.durable().stage, Stage::kRunning);
  drive.Pass(Duration{1'000});
  EXPECT_TRUE(drive.Fired("primary-reports-hung"));
}

TEST(Suspicion, ManualFailoverModeOnlyWatches) {
  ClusterSpec spec = SpecOf(3);
  spec.failover.automatic = false;
  Drive drive = Drive::Healthy(spec);
  drive.Crash("db1");
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().stage, Stage::kRunning);
  drive.Feed(FailoverRequested{"", false});
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(OnCrash, RestartGivesTheAgentTimeAndThenFailsOver) {
  ClusterSpec spec = SpecOf(3);
  spec.failover.restart_on_crash = true;
  Drive drive = Drive::Healthy(spec);
  drive.Crash("db1");
  drive.Pass(Duration{8'000});
  EXPECT_EQ(drive.durable().epoch, 1U) << "the agent may still bring it back";
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(OnCrash, RestartThatSucceedsChangesNothing) {
  ClusterSpec spec = SpecOf(3);
  spec.failover.restart_on_crash = true;
  Drive drive = Drive::Healthy(spec);
  drive.Crash("db1");
  drive.Pass(Duration{3'000});
  drive.node("db1").started_epoch = 0;  // the toy agent starts it now
  drive.Pass(Duration{20'000});
  EXPECT_EQ(drive.durable().epoch, 1U);
  EXPECT_TRUE(drive.IsHealthy()) << drive.PhaseReason();
}

// Between two crashes the server is "starting": that is no recovery.
TEST(OnCrash, ServerThatCrashesAgainAndAgainIsReplaced) {
  ClusterSpec spec = SpecOf(3);
  spec.failover.restart_on_crash = true;
  Drive drive = Drive::Healthy(spec);
  drive.Crash("db1");
  drive.node("db1").obeys = false;
  for (int i = 0; i < 20 && drive.durable().epoch == 1; ++i) {
    drive.node("db1").report.server = i % 2 == 0 ? ServerState::kStarting : ServerState::kStopped;
    drive.Pass(Duration{1'000});
  }
  EXPECT_EQ(drive.durable().epoch, 2U);
}

// ---- Votes that do not cover ----

TEST(Votes, OneOfTwoDoesNotCoverAnyOneOfTwo) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  drive.Pass(Duration{5'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  EXPECT_EQ(drive.PhaseName(), "FailingOver");
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  EXPECT_EQ(drive.PhaseName(), "NoPrimary");
  EXPECT_NE(drive.PhaseReason().find("db3 is not heard"), std::string::npos) << drive.PhaseReason();
  EXPECT_NE(drive.PhaseReason().find("--accept-data-loss"), std::string::npos);
}

TEST(Votes, MissingMemberThatComesBackCompletesThem) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  drive.Pass(Duration{30'000});
  drive.BootVm("db3");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(Votes, OldPrimaryResumesWhenItsAgentIsBack) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  drive.Pass(Duration{30'000});
  const uint64_t epoch = drive.durable().epoch;
  drive.BootVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db1"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("resume-old-primary"));
  EXPECT_EQ(drive.durable().epoch, epoch);
  EXPECT_EQ(drive.durable().timeline, 1U);
}

TEST(Votes, OldPrimaryWithForeignDataDoesNotResume) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  drive.Pass(Duration{30'000});
  drive.node("db1").report.system_identifier = 1;
  drive.BootVm("db1");
  drive.Pass(Duration{30'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
}

TEST(Votes, VoteOfAnEarlierEpochDoesNotCount) {
  Drive drive = Drive::Healthy();
  for (const char* node : {"db2", "db3"}) {
    drive.node(node).obeys = false;
    drive.node(node).report.ballot = Ballot{1, 1, Wal(500)};
  }
  drive.Crash("db1");
  drive.node("db1").obeys = false;  // so that it cannot resume either
  drive.Pass(Duration{15'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
}

TEST(Votes, VoterThatIsNoLongerHeardDoesNotCount) {
  Drive drive = Drive::Healthy();
  drive.node("db3").votes = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.Pass(Duration{1'000});
  drive.KillVm("db2");  // it had voted
  drive.Pass(Duration{4'000});
  drive.node("db3").votes = true;
  drive.Pass(Duration{20'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  EXPECT_EQ(drive.durable().primary, "db1");
}

TEST(Votes, MemberWithPausedReplayCountsButIsNotPromoted) {
  Drive drive = Drive::Healthy();
  drive.node("db2").report.replay_paused = true;
  drive.Pass(Duration{1'000});
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();
}

TEST(Votes, BarredMemberAheadOfAllOthersBlocksThem) {
  ClusterSpec spec = SpecOf(3);
  spec.failover.priority["db3"] = 0;
  Drive drive = Drive::Healthy(spec);
  drive.node("db2").streams = false;  // only db3 has the last commit
  drive.Pass(Duration{200});
  drive.Commit();
  drive.KillVm("db1");
  drive.Pass(Duration{20'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  EXPECT_EQ(drive.PhaseName(), "NoPrimary");
}

TEST(Votes, EqualVotesGoToTheHigherPriorityThenToTheLowerName) {
  const std::vector<Candidate> candidates = {
      {"db2", {2, 1, Wal(9)}, 100}, {"db3", {2, 1, Wal(9)}, 200}, {"db4", {2, 1, Wal(8)}, 900}};
  EXPECT_EQ(BestOf(candidates)->node, "db3");
  EXPECT_EQ(BestOf({candidates[0], {"db9", {2, 1, Wal(9)}, 100}})->node, "db2");
  EXPECT_EQ(BestOf({candidates[0], {"db5", {2, 2, Wal(1)}, 100}})->node, "db5")
      << "the later timeline has what the earlier one has not";
  EXPECT_FALSE(BestOf({}).has_value());
}

// ---- The candidate fails too ----

// db3 voted at LSN 110 and db2 at 111; db2 was promoted and is gone before db3 has it.
TEST(LostCandidate, NobodyElseIsPromotedBeforeItsFollowersCaughtUp) {
  Drive drive = Drive::Healthy();
  drive.node("db3").streams = false;
  drive.Pass(Duration{200});
  drive.Commit();
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  drive.KillVm("db2");
  drive.Pass(Duration{60'000});
  EXPECT_TRUE(drive.Fired("candidate-is-lost"));
  EXPECT_EQ(drive.durable().primary, "db2");
  EXPECT_EQ(drive.PhaseName(), "NoPrimary");
  drive.BootVm("db2");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(LostCandidate, NobodyElseIsPromotedEvenAfterItWasConfirmed) {
  Drive drive = Drive::Healthy();
  drive.node("db3").streams = false;
  drive.Pass(Duration{200});
  drive.Commit();
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  drive.KillVm("db2");
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().primary, "db2");
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
}

TEST(LostCandidate, AnotherIsChosenWhereTheVotesStillCover) {
  ClusterSpec spec = SpecOf(5);
  spec.synchronous.number = 2;
  Drive drive = Drive::Healthy(spec);
  drive.node("db2").promotes = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  ASSERT_EQ(drive.durable().primary, "db2");
  drive.KillVm("db2");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().epoch, 3U);
}

TEST(LostCandidate, OneThatCannotGetOnIsGivenUp) {
  Drive drive = Drive::Healthy();
  drive.node("db2").promotes = false;
  drive.node("db2").report.step = "promote";
  drive.node("db2").report.step_error = "no space left on device";
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  EXPECT_TRUE(drive.PassUntil([&] { return drive.Fired("candidate-is-lost"); }, Duration{60'000}));
}

TEST(LostCandidate, OneThatDialsAgainIsNotLost) {
  Drive drive = Drive::Healthy();
  drive.node("db2").promotes = false;  // a long recovery
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  drive.Pass(Duration{5'000});
  drive.Cut("db2");
  drive.Feed(Tick{});
  drive.Heal("db2");
  drive.node("db2").promotes = true;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  EXPECT_EQ(drive.durable().epoch, 2U);
}

// Whoever was told to become primary at an epoch may have begun that epoch's timeline unheard.
TEST(Timelines, EachEpochHasItsOwn) {
  Drive drive = Drive::Healthy(SpecOf(4));
  EXPECT_EQ(drive.Desired("db1").new_timeline, 1U);
  EXPECT_EQ(drive.Desired("db2").new_timeline, 0U) << "a standby begins none";
  drive.node("db2").promotes = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().primary == "db2"; }));
  EXPECT_EQ(drive.Desired("db2").new_timeline, 2U);
  drive.KillVm("db2");
  drive.Pass(Duration{10'000});
  drive.BootVm("db2");  // it never was primary, and still has all that was acknowledged
  drive.node("db2").promotes = true;
  ASSERT_TRUE(
      drive.PassUntil([&] { return drive.durable().stage == Stage::kRunning; }, Duration{60'000}))
      << drive.PhaseReason();
  EXPECT_EQ(drive.durable().epoch, 3U);
  EXPECT_EQ(drive.durable().timeline, 3U);
}

}  // namespace
}  // namespace pgmahout::controller
