// SPDX-License-Identifier: Apache-2.0
// Two members and a witness: of "the primary goes on alone" and "the standby is promoted" one can
// happen at most.
#include "controller/core/witness.h"

#include <gtest/gtest.h>

#include "controller/core/failover.h"
#include "controller/core/quorum.h"
#include "controller/core/status.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

const Quorum kWitnessed{1, {"db2"}, "db9"};

ClusterSpec Witnessed(DataDurability durability = DataDurability::kPreferred) {
  ClusterSpec spec = SpecOf(2);
  spec.witness = "db9";
  spec.synchronous.durability = durability;
  return spec;
}

bool Says(const Drive& drive, const std::string& text) {
  return drive.PhaseReason().find(text) != std::string::npos;
}

TEST(Witness, IsNamedOnceItReachesThePrimary) {
  Drive drive = Drive::Healthy(Witnessed());
  EXPECT_EQ(drive.durable().quorum, kWitnessed);
  EXPECT_EQ(WitnessStateOf(drive.state(), drive.now()), "ready");
  EXPECT_EQ(drive.Desired("db9").assignment, Assignment::kWitness);
  EXPECT_EQ(drive.Desired("db9").upstream, "db1");
  EXPECT_EQ(drive.Desired("db1").witness, (Member{"db9", "10.0.0.9", 0}));
  EXPECT_EQ(drive.Desired("db1").members.size(), 2U) << "it gets no slot";
  EXPECT_FALSE(drive.leases().contains("db9") && drive.leases().at("db9") > Duration{0});
}

TEST(Witness, HasNothingToVisitBeforeThereIsAPrimary) {
  const Drive drive(Witnessed());
  ASSERT_EQ(drive.durable().stage, Stage::kCreating);
  EXPECT_EQ(drive.Desired("db9").assignment, Assignment::kNone);
}

TEST(Witness, LostPrimaryIsReplacedAsFastWithIt) {
  Drive drive = Drive::Healthy(Witnessed());
  const BootTime lost = drive.now();
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_LE(drive.now() - lost, drive.durable().spec.failover.detect_after + Duration{1'500});
  EXPECT_TRUE(drive.Fired("witness-vote"));
  EXPECT_NE(drive.MessageOf("primary-is-silent").find("db9 does not reach it either"),
            std::string::npos)
      << drive.MessageOf("primary-is-silent");
  drive.BootVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db1"}, "db9"}));
}

TEST(Witness, ItsVoteMakesItTheNewPrimarysToo) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().primary == "db2"; }));
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db1"}, "db9"}));
}

TEST(Witness, WhatItSeesIsWrittenDown) {
  Drive drive = Drive::Healthy(Witnessed());
  EXPECT_EQ(WitnessEvidence(drive.state(), drive.now()), "; the witness db9 reaches it");
  drive.Cut("db9");
  EXPECT_EQ(WitnessEvidence(drive.state(), drive.now()), "");
}

TEST(Witness, NobodyIsPromotedWithoutItsVote) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.node("db9").obeys = false;
  drive.KillVm("db1");
  drive.Pass(Duration{30'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  EXPECT_TRUE(Says(drive, "the witness db9 has not voted yet")) << drive.PhaseReason();
  drive.Cut("db9");
  drive.Pass(Duration{5'000});
  EXPECT_TRUE(Says(drive, "the witness db9 is not heard")) << drive.PhaseReason();
  drive.Heal("db9");
  drive.node("db9").obeys = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(Witness, ItsWordThatThePrimaryMayGoOnAloneForbidsAPromotion) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.node("db9").report.alone_epoch = drive.durable().epoch;
  drive.KillVm("db1");  // before this controller has heard of it
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  EXPECT_TRUE(Says(drive, "the witness db9 let db1 go on alone at epoch 1")) << drive.PhaseReason();
  EXPECT_TRUE(drive.Fired("witness-allowed"));
  drive.BootVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db1"); })) << drive.PhaseReason();
  EXPECT_TRUE(drive.durable().sole_copy) << "until the standby has caught up";
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  drive.KillVm("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(Witness, WhoWentOnAloneGoesOnAtANewEpoch) {
  Drive drive = Drive::Healthy(Witnessed());
  const uint64_t epoch = drive.durable().epoch;
  drive.KillVm("db2");
  drive.node("db1").report.alone_epoch = epoch;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().epoch == epoch + 1; }));
  EXPECT_TRUE(drive.Fired("continue-at-new-epoch"));
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db1"); }));
  EXPECT_EQ(drive.durable().quorum, Quorum{}) << "it waits for nobody, as before";
  drive.BootVm("db2");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().confirmed_epoch, epoch + 1);
  drive.KillVm("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(Witness, WordThatWasNotUsedCostsAnEpochToo) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.node("db9").report.alone_epoch = drive.durable().epoch;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("continue-at-new-epoch"); }));
  EXPECT_EQ(drive.durable().quorum, kWitnessed);
  EXPECT_TRUE(drive.durable().sole_copy) << "the primary may still be about to use it";
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db1") && drive.IsHealthy(); }))
      << drive.PhaseReason();
  EXPECT_FALSE(drive.durable().sole_copy);
}

TEST(Witness, LostOneIsNoLongerNeededOnceThePrimaryKnows) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.KillVm("db9");
  drive.Pass(Duration{5'000});
  EXPECT_EQ(drive.durable().quorum, kWitnessed) << "it may be back in a moment";
  EXPECT_TRUE(Says(drive, "witness db9: its agent is not connected")) << drive.PhaseReason();
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum == (Quorum{1, {"db2"}, ""}); }));
  drive.Pass(Duration{1'000});
  drive.KillVm("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_EQ(WitnessStateOf(drive.state(), drive.now()), "unknown");
}

TEST(Witness, OneThatDoesNotReachThePrimaryIsComplainedAbout) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.node("db9").streams = false;
  drive.Pass(Duration{2'000});
  EXPECT_TRUE(Says(drive, "witness db9: does not reach db1")) << drive.PhaseReason();
  EXPECT_EQ(WitnessStateOf(drive.state(), drive.now()), "waiting");
  drive.node("db9").report.step_error = "no route";
  drive.Pass(Duration{2'000});
  EXPECT_TRUE(Says(drive, "witness db9: no route")) << drive.PhaseReason();
}

TEST(Witness, IsNotNamedWhereCommitsMayNotBeOnOneMachineOnly) {
  Drive drive = Drive::Healthy(Witnessed(DataDurability::kRequired));
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db2"}, ""}));
  EXPECT_EQ(WitnessStateOf(drive.state(), drive.now()), "watching");
}

TEST(Witness, NewPrimaryOfARequiredClusterHasNone) {
  Drive drive = Drive::Healthy(Witnessed(DataDurability::kRequired));
  drive.node("db2").votes = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("witness-vote"); }));
  drive.node("db2").votes = true;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().primary == "db2"; }));
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db1"}, ""})) << "from the start";
}

TEST(Witness, VoteThatIsThereIsNotAskedFor) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.node("db2").votes = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.Fired("witness-vote"); }));
  drive.Forget();
  drive.Pass(Duration{3'000});
  EXPECT_TRUE(Says(drive, "db2 has not voted yet")) << drive.PhaseReason();
  EXPECT_FALSE(Says(drive, "db9")) << drive.PhaseReason();
  EXPECT_FALSE(drive.Fired("witness-vote")) << "once is enough";
}

TEST(Witness, IsDroppedAtOnceWhereTheSpecBecomesRequired) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.KillVm("db2");
  drive.Pass(Duration{1'000});  // still in the quorum
  drive.Feed(SpecApplied{Witnessed(DataDurability::kRequired)});
  drive.Pass(Duration{30'000});
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db2"}, ""}));
}

TEST(Witness, PrimaryWithoutAStandbyNeedsNone) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.KillVm("db2");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum == Quorum{}; }));
}

TEST(Witness, SwitchoverKeepsIt) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.Feed(SwitchoverRequested{"db2"});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db1"}, "db9"}));
}

TEST(Witness, OneThatIsNotHeardDoesNotGoWithASwitchover) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.Cut("db9");
  drive.Feed(SwitchoverRequested{"db2"});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().quorum.witness, "");
}

TEST(Witness, TimeDoesNotFenceWhoMayBeAlone) {
  Drive drive = Drive::Healthy(Witnessed(DataDurability::kOff));
  ASSERT_EQ(drive.durable().quorum, (Quorum{0, {"db2"}, "db9"}));
  drive.node("db9").obeys = false;
  drive.KillVm("db1");
  drive.Pass(Duration{60'000});
  EXPECT_FALSE(OldPrimaryIsFenced(drive.state(), drive.now(), Timing{}));
  EXPECT_EQ(drive.durable().primary, "db1");
  drive.node("db9").obeys = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(Witness, VotesCoverNothingThatItMayHaveAllowed) {
  EXPECT_FALSE(Covers({"db2"}, kWitnessed));
  EXPECT_TRUE(Covers({"db2", "db9"}, kWitnessed));
  EXPECT_FALSE(Covers({"db9"}, kWitnessed)) << "it holds no data";
  Durable durable;
  durable.quorum = Quorum{0, {"db2"}, "db9"};
  EXPECT_FALSE(KeepPromises({"db2"}, durable));
  EXPECT_TRUE(KeepPromises({"db2", "db9"}, durable));
  durable.quorum = Quorum{1, {"db2"}, ""};
  EXPECT_FALSE(IsWitnessed(durable));
  durable.older = {kWitnessed};
  EXPECT_TRUE(IsWitnessed(durable));
}

TEST(Witness, OneThatLeavesTheSpecIsDroppedByAStepThatThePrimaryConfirms) {
  Drive drive = Drive::Healthy(Witnessed());
  ClusterSpec spec = Witnessed();
  spec.witness.clear();
  drive.node("db1").obeys = false;  // it has not heard of it yet
  drive.Feed(SpecApplied{spec});
  drive.Pass(Duration{500});
  EXPECT_TRUE(IsWitnessed(drive.durable()));
  drive.KillVm("db1");
  drive.Pass(Duration{30'000});
  EXPECT_TRUE(Says(drive, "the witness was removed")) << drive.PhaseReason();
  EXPECT_FALSE(drive.IsRunning("db2"));
  EXPECT_EQ(WitnessEvidence(drive.state(), drive.now()), "");
}

TEST(Witness, MemberThatBecomesTheWitnessIsTakenForNoStandby) {
  Drive drive = Drive::Healthy(SpecOf(3));
  ClusterSpec spec = SpecOf(2);
  spec.witness = "db3";
  drive.Feed(SpecApplied{spec});
  EXPECT_FALSE(drive.state().witness.report.has_value());
  EXPECT_FALSE(drive.state().witness.attached);
  EXPECT_TRUE(drive.state().witness.connected);
  EXPECT_TRUE(HasAgent(drive.state(), "db3"));
  EXPECT_FALSE(HasAgent(drive.state(), "db4"));
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum.witness == "db3"; }));
  EXPECT_EQ(drive.durable().quorum.standbys, std::vector<std::string>{"db2"});
}

TEST(Witness, CannotChangeWhileThePrimaryChanges) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.node("db9").obeys = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  EXPECT_FALSE(CheckSpecChange(drive.state(), SpecOf(2)).ok());
  EXPECT_TRUE(CheckSpecChange(drive.state(), Witnessed()).ok());
}

TEST(Witness, WhatItAllowedIsKnownAgainAfterARestartOfTheController) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.node("db9").report.alone_epoch = drive.durable().epoch;
  drive.KillVm("db1");
  drive.Pass(Duration{5'000});
  drive.Forget();
  drive.RestartController();
  drive.Pass(Duration{20'000});
  EXPECT_TRUE(drive.Fired("witness-allowed"));
  EXPECT_FALSE(drive.IsRunning("db2"));
}

TEST(Witness, ItsVoteIsAskedAgainAfterARestartOfTheController) {
  Drive drive = Drive::Healthy(Witnessed());
  drive.node("db9").obeys = false;
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  drive.RestartController();
  drive.Pass(Duration{5'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  drive.node("db9").obeys = true;
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

}  // namespace
}  // namespace pgmahout::controller
