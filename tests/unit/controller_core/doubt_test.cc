// SPDX-License-Identifier: Apache-2.0
// Reports that cannot be true: they decide nothing, promote nobody, and a person is told.
#include "controller/core/doubt.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "controller/core/eligibility.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

constexpr Lsn kFuture{std::numeric_limits<uint64_t>::max()};

void Say(Drive& drive, const std::string& node, const std::function<void(Report&)>& change) {
  Report report = drive.node(node).report;
  change(report);
  drive.Feed(AgentReported{node, 1'000'000, report});
}

std::string DoubtAbout(const Drive& drive, const std::string& node) {
  return drive.state().members.at(node).doubt;
}

std::string WhyNot(const Drive& drive, const std::string& node) {
  return WhyNotEligible(drive.state(), node, drive.now());
}

TEST(Doubt, NoHonestReportIsDoubted) {
  Drive drive = Drive::Healthy();
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2") && drive.IsHealthy(); }));
  EXPECT_FALSE(drive.Fired("report-doubted"));
}

TEST(Doubt, WalFromTheFutureMakesNoCandidate) {
  Drive drive = Drive::Healthy();
  Say(drive, "db3", [](Report& report) { report.receive_lsn = kFuture; });
  EXPECT_EQ(WhyNot(drive, "db3"), "it reports WAL beyond anything the primary can have written");
  EXPECT_EQ(drive.state().members.at("db3").report->receive_lsn, Lsn{})
      << "others advance slots by it";
  EXPECT_NE(drive.MessageOf("report-doubted").find("FFFFFFFF/FFFFFFFF; db1 was last heard at"),
            std::string::npos)
      << drive.MessageOf("report-doubted");
  EXPECT_NE(drive.PhaseReason().find("db3: its report is not believed"), std::string::npos);
  EXPECT_EQ(drive.durable().epoch, 1U);
  drive.Pass(Duration{1'100});  // and then it tells the truth again
  EXPECT_EQ(WhyNot(drive, "db3"), "");
}

TEST(Doubt, EveryPositionOfAReportIsCompared) {
  const std::vector<std::function<void(Report&)>> lies = {
      [](Report& report) { report.write_lsn = kFuture; },
      [](Report& report) { report.receive_lsn = kFuture; },
      [](Report& report) { report.replay_lsn = kFuture; },
      [](Report& report) { report.fork_lsn = kFuture; },
      [](Report& report) {
        report.ballot = Ballot{1, 1, kFuture};
      },
      [](Report& report) { report.timeline = 4'000'000'000; },
      [](Report& report) {
        report.ballot = Ballot{1, 4'000'000'000, Wal(1)};
      },
      [](Report& report) { report.system_identifier = 4711; },
      [](Report& report) { report.cluster = "billing"; },
  };
  for (size_t i = 0; i < lies.size(); ++i) {
    for (const char* node : {"db1", "db2"}) {
      Drive drive = Drive::Healthy();
      const Durable before = drive.durable();
      Say(drive, node, lies[i]);
      EXPECT_NE(DoubtAbout(drive, node), "") << "lie " << i << " of " << node;
      EXPECT_EQ(drive.durable(), before) << "lie " << i << " of " << node;
      drive.Pass(Duration{2'000});
      EXPECT_TRUE(drive.IsHealthy()) << drive.PhaseReason();
    }
  }
}

TEST(Doubt, StandbyMayBeAheadOfThePrimarysLastReport) {
  Drive drive = Drive::Healthy();
  Say(drive, "db3", [](Report& report) { report.receive_lsn.value += uint64_t{1} << 30; });
  EXPECT_EQ(DoubtAbout(drive, "db3"), "");
  Say(drive, "db3", [](Report& report) { report.receive_lsn.value += uint64_t{3} << 30; });
  EXPECT_NE(DoubtAbout(drive, "db3"), "");
}

TEST(Doubt, VoteFromTheFutureIsNoVote) {
  Drive drive = Drive::Healthy();
  drive.node("db3").votes = false;
  drive.node("db2").votes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  const uint64_t epoch = drive.durable().epoch;
  Say(drive, "db3", [epoch](Report& report) { report.ballot = Ballot{epoch, 1, kFuture}; });
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  drive.node("db2").votes = true;
  drive.node("db3").report.cluster = "billing";  // whatever it says, it is not believed
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kRunning; }));
  EXPECT_EQ(drive.durable().primary, "db1") << "db2 alone does not cover any 1 of db2, db3";
}

TEST(Doubt, VoteFromAnotherSystemIsNoVoteAndNoHindrance) {
  Drive drive = Drive::Healthy();
  drive.node("db3").obeys = false;
  drive.node("db3").streams = false;
  drive.node("db3").report.system_identifier = 4711;
  drive.node("db3").report.receiver_streaming = false;
  ASSERT_TRUE(drive.PassUntil([&] {
    return drive.durable().quorum == (Quorum{1, {"db2"}}) && drive.durable().older.empty();
  }));
  drive.node("db3").report.ballot = Ballot{drive.durable().epoch + 1, 1, Wal(900)};
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  EXPECT_EQ(WhyNot(drive, "db3"), "its data belongs to another system identifier");
}

TEST(Doubt, PrimaryThatTalksNonsenseKeepsItsLeaseAndMovesNothing) {
  Drive drive = Drive::Healthy();
  Say(drive, "db1", [](Report& report) {
    report.write_lsn = kFuture;
    report.attached.clear();
  });
  EXPECT_GT(drive.leases().at("db1"), Duration{0});
  EXPECT_TRUE(drive.state().members.at("db2").attached);
  EXPECT_LT(drive.state().members.at("db1").wal_end, kFuture);
  EXPECT_FALSE(CheckSwitchover(drive.state(), "db2", drive.now()).ok());
}

TEST(Doubt, WithoutAPrimaryThatWasHeardThereIsNothingToCompareWith) {
  Drive drive = Drive::Healthy();
  drive.Cut("db1");
  drive.RestartController();
  Say(drive, "db3", [](Report& report) { report.receive_lsn = kFuture; });
  EXPECT_EQ(DoubtAbout(drive, "db3"), "");
}

TEST(Doubt, LimitDoesNotRunOver) {
  Drive drive = Drive::Healthy();
  ClusterState state = drive.state();
  state.members.at("db1").wal_end = Lsn{kFuture.value - 5};
  Report report;
  report.receive_lsn = kFuture;
  EXPECT_EQ(DoubtOf(state, report, drive.now()).reason, "");
  state.durable.primary = "db9";
  EXPECT_EQ(DoubtOf(state, report, drive.now()).reason, "") << "no such member";
}

TEST(Doubt, DoubtedStandbyIsNoEvidenceAboutASilentPrimary) {
  Drive drive = Drive::Healthy();
  drive.node("db2").report.system_identifier = 4711;
  drive.node("db3").heard = false;
  drive.Pass(Duration{4'000});
  drive.Cut("db1");
  drive.Pass(Duration{10'000});
  EXPECT_EQ(drive.durable().stage, Stage::kRunning);
}

TEST(Doubt, OldPrimaryWithForeignDataDoesNotResume) {
  Drive drive = Drive::Healthy();
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.Crash("db1");
  drive.node("db1").report.write_lsn = kFuture;
  drive.Pass(Duration{10'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  EXPECT_FALSE(drive.Fired("resume-old-primary"));
  drive.node("db1").report.write_lsn = Wal(1);
  EXPECT_TRUE(drive.PassUntil([&] { return drive.Fired("resume-old-primary"); }));
}

// ---- What is written down ----

int Count(const Outcome& outcome, const std::string& rule) {
  int count = 0;
  for (const Entry& entry : outcome.entries) {
    count += entry.rule == rule ? 1 : 0;
  }
  return count;
}

TEST(Complaints, DoNotFillTheStore) {
  Drive drive = Drive::Healthy();
  ClusterState state = drive.state();
  int notes = 0;
  for (int i = 0; i < 10'000; ++i) {
    Report report = drive.node("db3").report;
    report.timeline = i % 2 == 0 ? 4'000'000'000 : report.timeline;
    report.cluster = i % 3 == 0 ? "billing" : report.cluster;
    Outcome outcome = Advance(state, AgentReported{"db3", 1, report}, drive.now() + Duration{i});
    notes += Count(outcome, "report-doubted");
    outcome = Advance(outcome.state, AgentRefused{"db3", "too fast"}, drive.now() + Duration{i});
    notes += Count(outcome, "agent-refused");
    state = outcome.state;
  }
  EXPECT_EQ(notes, 1);
}

TEST(Complaints, TheSameRefusalIsToldOncePerHour) {
  const Drive drive = Drive::Healthy();
  ClusterState state = drive.state();
  const auto refuse = [&state, &drive](const std::string& reason, Duration at) {
    Outcome outcome = Advance(state, AgentRefused{"db3", reason}, drive.now() + at);
    state = outcome.state;
    return Count(outcome, "agent-refused");
  };
  EXPECT_EQ(refuse("cloned disk", Duration{0}), 1);
  EXPECT_EQ(refuse("too fast", Duration{9'999}), 0);
  EXPECT_EQ(refuse("cloned disk", Duration{10'000}), 0);
  EXPECT_EQ(refuse("too fast", Duration{10'000}), 1);
  EXPECT_EQ(refuse("too fast", Duration{3'609'999}), 0);
  EXPECT_EQ(refuse("too fast", Duration{3'610'000}), 1);
}

TEST(Complaints, AboutNodesThatAreNoMembersAreNotOurs) {
  Drive drive = Drive::Healthy();
  drive.Feed(AgentRefused{"db9", "who is that"});
  EXPECT_FALSE(drive.Fired("agent-refused"));
}

}  // namespace
}  // namespace pgmahout::controller
