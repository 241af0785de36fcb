// SPDX-License-Identifier: Apache-2.0
// Failover where commits may be missing: asynchronous by choice, or a loss that a person accepts.
#include <gtest/gtest.h>

#include "controller/core/failover.h"
#include "controller/core/quorum.h"
#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

ClusterSpec Asynchronous() {
  ClusterSpec spec = SpecOf(3);
  spec.synchronous.durability = DataDurability::kOff;
  return spec;
}

// The standbys fall behind by `mib`.
void FallBehind(Drive& drive, int mib) {
  for (const char* node : {"db2", "db3"}) {
    drive.node(node).streams = false;
  }
  drive.Pass(Duration{200});
  for (int i = 0; i < mib; ++i) {
    drive.Commit();
  }
  drive.Pass(Duration{1'000});
}

TEST(Asynchronous, NeedsNoStandbyToCommit) {
  Drive drive = Drive::Healthy(Asynchronous());
  EXPECT_EQ(drive.durable().quorum, (Quorum{0, {"db2", "db3"}}))
      << "witnesses, who confirm nothing";
}

TEST(Asynchronous, LagWithinMaxLagIsPromoted) {
  Drive drive = Drive::Healthy(Asynchronous());
  FallBehind(drive, 1);
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("promote-asynchronous"));
  EXPECT_NE(drive.MessageOf("promote-asynchronous").find("at least 1048576 bytes are lost"),
            std::string::npos)
      << drive.MessageOf("promote-asynchronous");
}

// The crashed server itself names its last checkpoint only, which every standby has.
TEST(Asynchronous, LagAboveMaxLagIsNot) {
  Drive drive = Drive::Healthy(Asynchronous());
  FallBehind(drive, 5);
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.node("db1").obeys = false;
  drive.node("db1").report.server = ServerState::kAbsent;  // its disk is gone: it cannot resume
  drive.node("db1").report.epoch = 2;
  drive.Pass(Duration{30'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing) << drive.MessageOf("promote-asynchronous");
  EXPECT_EQ(drive.PhaseName(), "NoPrimary");
}

TEST(Asynchronous, SilentPrimaryIsReplacedOnlyAfterItsLease) {
  Drive drive = Drive::Healthy(Asynchronous());
  const BootTime lost = drive.now();
  drive.KillVm("db1");
  const BootTime may_write_until = drive.state().members.at("db1").may_write_until;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_GE(drive.now(), may_write_until);
  EXPECT_GE(drive.now() - lost, Duration{9'000});
}

TEST(Asynchronous, EveryoneWhoCanBeHeardVotesBeforeTheChoice) {
  Drive drive = Drive::Healthy(Asynchronous());
  drive.node("db2").streams = false;
  drive.Pass(Duration{200});
  drive.Commit();
  drive.Pass(Duration{1'000});
  drive.node("db3").votes = false;  // slower than db2, and ahead of it
  drive.Crash("db1");
  drive.Pass(Duration{1'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  drive.node("db3").votes = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();
}

TEST(Asynchronous, WalOfAnEarlierTimelineIsNotMeasured) {
  Drive drive = Drive::Healthy(Asynchronous());
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2") && drive.IsHealthy(); }));
  drive.KillVm("db1");
  drive.Pass(Duration{500});
  drive.node("db3").obeys = false;
  Report& stale = drive.node("db3").report;
  drive.Crash("db2");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  stale.epoch = drive.durable().epoch;
  stale.receiver_streaming = false;
  stale.ballot = Ballot{drive.durable().epoch, 1, Wal(9'000)};
  drive.Pass(Duration{2'000});
  EXPECT_FALSE(drive.durable().primary == "db3") << "its WAL left the history at the last fork";
}

TEST(Asynchronous, CandidateThatIsLostTooIsReplacedWithinTheSameBound) {
  Drive drive = Drive::Healthy(Asynchronous());
  drive.node("db2").promotes = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().primary == "db2"; }, Duration{30'000}));
  drive.KillVm("db2");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); }, Duration{60'000}))
      << drive.PhaseReason();
}

TEST(Asynchronous, ControllerThatEndsMeanwhileKnowsHowMuchIsLost) {
  Drive drive = Drive::Healthy(Asynchronous());
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.RestartController();
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }, Duration{60'000}))
      << drive.PhaseReason();
  EXPECT_NE(drive.MessageOf("promote-asynchronous").find("at least 0 bytes are lost"),
            std::string::npos)
      << drive.MessageOf("promote-asynchronous");
  EXPECT_FALSE(drive.durable().lost_wal_end.valid()) << "it was about that loss";
}

// What was acknowledged while two standbys had to confirm it is no less promised because the spec
// says `off` now; and who went on alone under `preferred` promised that nobody is promoted unasked.
TEST(Asynchronous, SpecTakesBackNoPromiseMadeBefore) {
  Durable durable;
  durable.quorum = Quorum{1, {"db2", "db3"}};
  EXPECT_FALSE(KeepPromises({"db2"}, durable));
  EXPECT_TRUE(KeepPromises({"db2", "db3"}, durable));
  durable.older = {durable.quorum};
  durable.quorum = Quorum{0, {"db2", "db3"}};
  EXPECT_FALSE(KeepPromises({"db2"}, durable)) << "commits of before may be on db3 only";
  EXPECT_TRUE(KeepPromises({"db2", "db3"}, durable));
  durable.older.clear();
  EXPECT_TRUE(KeepPromises({"db2"}, durable)) << "asynchronous by choice";
  durable.quorum = Quorum{0, {"db2"}};
  EXPECT_FALSE(KeepPromises({"db3"}, durable))
      << "it was away when db2 took over what was promised";
  EXPECT_TRUE(KeepPromises({"db2", "db3"}, durable));
  durable.quorum = Quorum{};
  EXPECT_FALSE(KeepPromises({"db2", "db3"}, durable)) << "the primary was alone";
  durable.quorum = Quorum{0, {"db2"}};
  durable.sole_copy = true;
  EXPECT_FALSE(KeepPromises({"db2"}, durable));
}

// db3 was away while db2 took over what had been promised before `off`, and has not caught up yet.
TEST(Asynchronous, WhoComesBackIsPromotedOnlyOnceItHasCaughtUp) {
  Drive drive = Drive::Healthy(Asynchronous());
  drive.KillVm("db3");
  ASSERT_TRUE(drive.PassUntil(
      [&] {
        return drive.durable().quorum == (Quorum{0, {"db2"}});
      },
      Duration{20'000}));
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().older.empty(); }));
  drive.node("db1").obeys = false;
  Report& primary = drive.node("db1").report;
  primary.write_lsn = Wal(120);
  primary.attached = {Attached{"db2", true, "async", Wal(120), Wal(120)},
                      Attached{"db3", true, "async", Wal(110), Wal(110)}};
  const Quorum both{0, {"db2", "db3"}};
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum == both; }));
  primary.quorum_in_effect = both;
  drive.Pass(Duration{2'000});
  EXPECT_FALSE(KeepPromises({"db3"}, drive.durable()));
  primary.attached[1].flush_lsn = Wal(120);
  EXPECT_TRUE(drive.PassUntil([&] { return KeepPromises({"db3"}, drive.durable()); }));
}

// A promotion forgets none of those who may have what was promised.
TEST(Asynchronous, PromotionLeavesPromisesToWhoIsLeft) {
  ClusterState state = Voted(Asynchronous());
  state.durable.older = {Quorum{1, {"db2", "db3"}}, Quorum{0, {"db2"}}};
  state.durable.quorum = Quorum{0, {"db2", "db3"}};
  const Outcome outcome = Look(state);
  const Durable& after = outcome.state.durable;
  ASSERT_EQ(after.primary, "db2");
  EXPECT_EQ(after.older, (std::vector<Quorum>{{1, {"db2", "db3"}}, {0, {"db3"}}}));
  EXPECT_TRUE(after.sole_copy) << "of what db2 alone was known to have";
  state.durable.older = {};
  EXPECT_FALSE(Look(state).state.durable.sole_copy);
}

TEST(Asynchronous, SwitchingItOnWhileStandbysVotePromotesNobodyWhoMayLackACommit) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.Feed(SpecApplied{Asynchronous()});
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().primary, "db1");
}

// ---- A person accepts the loss ----

TEST(AcceptDataLoss, PromotesTheBestOfThoseLeft) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  drive.Pass(Duration{30'000});
  ASSERT_EQ(drive.PhaseName(), "NoPrimary");
  drive.Feed(FailoverRequested{"", true});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("promote-accepting-loss"));
  EXPECT_FALSE(drive.durable().accept_data_loss);
}

TEST(AcceptDataLoss, WaitsUntilTheOldPrimaryIsFenced) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  const BootTime may_write_until = drive.state().members.at("db1").may_write_until;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.Feed(FailoverRequested{"", true});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_GE(drive.now(), may_write_until);
}

TEST(AcceptDataLoss, WaitsForAVoteThatMakesTheLossSmaller) {
  ClusterSpec spec = SpecOf(3);
  spec.failover.automatic = false;
  spec.synchronous.durability = DataDurability::kOff;
  Drive drive = Drive::Healthy(spec);
  drive.node("db2").streams = false;
  drive.Pass(Duration{200});
  for (int i = 0; i < 9; ++i) {
    drive.Commit();
  }
  drive.Crash("db1");
  drive.Pass(Duration{1'000});
  drive.node("db3").votes = false;
  drive.Feed(FailoverRequested{"", true});
  drive.Pass(Duration{1'000});
  drive.node("db3").votes = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); })) << drive.PhaseReason();
}

// db2 took over and is gone for good, and so is db3. What is left is the primary of before.
Drive OnlyAFormerPrimaryIsLeft() {
  Drive drive = Drive::Healthy();
  drive.KillVm("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  drive.KillVm("db3");
  drive.KillVm("db2");
  drive.Pass(Duration{10'000});
  drive.BootVm("db1");
  drive.Pass(Duration{30'000});
  EXPECT_EQ(drive.PhaseName(), "NoPrimary");
  return drive;
}

TEST(AcceptDataLoss, FormerPrimaryVotesIfItIsNamed) {
  Drive drive = OnlyAFormerPrimaryIsLeft();
  EXPECT_NE(drive.PhaseReason().find("db1 was primary before and votes only if it is named "
                                     "(--to db1)"),
            std::string::npos)
      << drive.PhaseReason();
  drive.Feed(FailoverRequested{"", true});
  drive.Pass(Duration{30'000});
  EXPECT_EQ(drive.PhaseName(), "NoPrimary") << "whoever names nobody does not mean it";
  drive.Feed(FailoverRequested{"db1", true});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db1"); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().timeline, drive.durable().epoch) << "not the one of before";
}

TEST(AcceptDataLoss, NobodyIsPromotedInPlaceOfTheOneThatWasNamed) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.Feed(FailoverRequested{"db3", true});
  drive.Pass(Duration{60'000});
  EXPECT_NE(drive.PhaseReason().find("NoPrimary: waits for db3, which was named: its agent is not "
                                     "heard"),
            std::string::npos)
      << drive.PhaseReason();
  drive.Feed(FailoverRequested{"", true});
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

// A server that cannot become consistent starts and lets nobody in.
TEST(AcceptDataLoss, PromotionThatGetsNowhereIsBrokenOff) {
  Drive drive = OnlyAFormerPrimaryIsLeft();
  drive.node("db1").promotes = false;
  drive.Feed(FailoverRequested{"db1", true});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  drive.BootVm("db3");
  EXPECT_FALSE(CheckFailover(drive.state(), {"db3", true}, drive.now()).ok()) << "give it time";
  drive.Pass(Duration{10'000});
  ASSERT_EQ(drive.durable().stage, Stage::kPromoting) << drive.PhaseReason();
  EXPECT_FALSE(CheckFailover(drive.state(), {"", true}, drive.now()).ok());
  EXPECT_FALSE(CheckFailover(drive.state(), {"db3", false}, drive.now()).ok());
  ASSERT_TRUE(CheckFailover(drive.state(), {"db3", true}, drive.now()).ok());
  drive.Feed(FailoverRequested{"db3", true});
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db3"); }, Duration{60'000}))
      << drive.PhaseReason();
}

// What was accepted is this loss, not the next one.
TEST(AcceptDataLoss, DoesNotOutliveTheChoiceItWasMeantFor) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.Feed(FailoverRequested{"", true});  // waits for the lease of db1
  drive.BootVm("db3");  // in time: the votes cover everything, nothing needs to be accepted
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  ASSERT_TRUE(drive.Fired("promote-by-votes"));
  const std::string candidate = drive.durable().primary;
  drive.KillVm(candidate);
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().primary, candidate);
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
}

TEST(AcceptDataLoss, NobodyElseIsPromotedUntilTheNewPrimaryIsCopied) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db3");
  drive.KillVm("db1");
  drive.Pass(Duration{30'000});
  drive.Feed(FailoverRequested{"", true});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  EXPECT_TRUE(drive.durable().sole_copy);
  EXPECT_FALSE(CoversAll({"db1", "db3"}, drive.durable()));
}

}  // namespace
}  // namespace pgmahout::controller
