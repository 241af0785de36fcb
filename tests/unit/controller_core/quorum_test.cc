// SPDX-License-Identifier: Apache-2.0
// Which standbys confirm a commit, how that changes, and what votes prove about it.
#include "controller/core/quorum.h"

#include <gtest/gtest.h>

#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

// ---- Arithmetic: any |S| - W + 1 of S ----

struct CoverageCase {
  uint32_t number;
  std::vector<std::string> standbys;
  std::set<std::string> voters;
  bool covers;
};

class Coverage : public ::testing::TestWithParam<CoverageCase> {};

TEST_P(Coverage, IsWhatTheTableSays) {
  EXPECT_EQ(Covers(GetParam().voters, Quorum{GetParam().number, GetParam().standbys}),
            GetParam().covers);
}

const std::vector<std::string> kTwo = {"a", "b"};
const std::vector<std::string> kFour = {"a", "b", "c", "d"};

INSTANTIATE_TEST_SUITE_P(Table,
                         Coverage,
                         ::testing::Values(CoverageCase{1, {"a"}, {"a"}, true},
                                           CoverageCase{1, {"a"}, {}, false},
                                           CoverageCase{1, {"a"}, {"b"}, false},
                                           CoverageCase{1, kTwo, {"a"}, false},
                                           CoverageCase{1, kTwo, {"a", "b"}, true},
                                           CoverageCase{1, kTwo, {"a", "x", "y"}, false},
                                           CoverageCase{2, kTwo, {"a"}, true},
                                           CoverageCase{2, kTwo, {}, false},
                                           CoverageCase{1, kFour, {"a", "b", "c"}, false},
                                           CoverageCase{1, kFour, {"a", "b", "c", "d"}, true},
                                           CoverageCase{2, kFour, {"a", "b"}, false},
                                           CoverageCase{2, kFour, {"b", "c", "d"}, true},
                                           CoverageCase{3, kFour, {"c", "d"}, true},
                                           CoverageCase{4, kFour, {"d"}, true},
                                           CoverageCase{0, {}, {"a", "b"}, false},
                                           CoverageCase{0, kTwo, {"a", "b"}, false}));

TEST(CoversAll, AsksForEveryQuorumThatMayHaveGovernedACommit) {
  Durable durable;
  durable.quorum = Quorum{1, {"db3"}};
  EXPECT_TRUE(CoversAll({"db3"}, durable));
  durable.older = {Quorum{1, {"db2", "db3"}}};
  EXPECT_FALSE(CoversAll({"db3"}, durable));
  EXPECT_TRUE(CoversAll({"db2", "db3"}, durable));
  durable.older.push_back(Quorum{});
  EXPECT_FALSE(CoversAll({"db2", "db3"}, durable));
}

// Two quorums of one primary always meet in a voter, for every size up to five standbys: counted
// out, not derived.
TEST(Coverage, AnyCoveringSetMeetsAnyConfirmingSet) {
  for (uint32_t size = 1; size <= 5; ++size) {
    std::vector<std::string> all;
    for (uint32_t i = 0; i < size; ++i) {
      all.push_back(std::string(1, static_cast<char>('a' + i)));
    }
    for (uint32_t number = 1; number <= size; ++number) {
      for (uint32_t votes = 0; votes < 1U << size; ++votes) {
        std::set<std::string> voters;
        for (uint32_t i = 0; i < size; ++i) {
          if ((votes >> i & 1U) != 0) {
            voters.insert(all[i]);
          }
        }
        bool misses_one = false;
        for (uint32_t confirmed = 0; confirmed < 1U << size; ++confirmed) {
          misses_one |= static_cast<uint32_t>(__builtin_popcount(confirmed)) >= number &&
                        (votes & confirmed) == 0;
        }
        EXPECT_EQ(Covers(voters, Quorum{number, all}), !misses_one) << size << " " << number;
      }
    }
  }
}

// ---- Changes ----

TEST(QuorumChange, GoneStandbyLeavesAfterTenSeconds) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db2");
  drive.Pass(Duration{9'000});
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db2", "db3"}}));
  drive.Pass(Duration{3'000});
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db3"}}));
  drive.BootVm("db2");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); }));
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db2", "db3"}}));
}

// {db2,db3} -> {db3}, and the primary dies before db3 has what only db2 had confirmed.
TEST(QuorumChange, OlderQuorumMustBeCoveredUntilTheBarrier) {
  Drive drive = Drive::Healthy();
  drive.node("db3").streams = false;  // still counted as lately gone
  drive.Pass(Duration{200});
  drive.Commit();  // confirmed by db2 alone
  drive.KillVm("db2");
  drive.node("db3").report.receive_lsn = drive.node("db3").lsn;
  // db3 attaches, but its flush stays behind: the toy primary's report is frozen and edited.
  drive.node("db1").obeys = false;
  Report& primary = drive.node("db1").report;
  primary.attached = {Attached{"db3", true, "quorum", Wal(110), Wal(110)}};
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum == (Quorum{1, {"db3"}}); }));
  primary.quorum_in_effect = Quorum{1, {"db3"}};
  primary.write_lsn = Wal(111);
  drive.Pass(Duration{2'000});
  EXPECT_EQ(drive.durable().older, (std::vector<Quorum>{{1, {"db2", "db3"}}}));
  drive.node("db1").obeys = true;
  drive.KillVm("db1");
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing) << "db3 lacks an acknowledged commit";
  drive.BootVm("db2");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(QuorumChange, IsSettledOnceTheMembersFlushedTheBarrier) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;
  Report& primary = drive.node("db1").report;
  primary.attached = {Attached{"db3", true, "quorum", Wal(109), Wal(109)}};
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().quorum == (Quorum{1, {"db3"}}); }));
  drive.Pass(Duration{5'000});
  EXPECT_FALSE(drive.durable().older.empty()) << "the primary has not loaded it yet";
  primary.quorum_in_effect = Quorum{1, {"db3"}};
  drive.Pass(Duration{1'000});
  EXPECT_FALSE(drive.durable().older.empty()) << "db3 is behind the barrier";
  primary.write_lsn = Wal(200);  // the barrier stays where the change was seen
  primary.attached[0].flush_lsn = Wal(110);
  drive.Pass(Duration{1'000});
  EXPECT_TRUE(drive.durable().older.empty());
  EXPECT_TRUE(drive.Fired("confirm-quorum"));
}

// Off and on again within a moment: the report in flight still shows the first setting, and must
// not be taken for the second while the server is about to run without any.
TEST(QuorumChange, ReportFromBeforeBothChangesConfirmsNothing) {
  Drive drive = Drive::Healthy();
  drive.node("db1").obeys = false;  // its reports are those in flight
  const Quorum before = drive.durable().quorum;
  ClusterSpec spec = drive.durable().spec;
  spec.synchronous.durability = DataDurability::kOff;
  drive.Feed(SpecApplied{spec});
  EXPECT_EQ(drive.durable().quorum.number, 0U);
  spec.synchronous.durability = DataDurability::kPreferred;
  drive.Feed(SpecApplied{spec});
  drive.Feed(AgentReported{"db1", 1'000, drive.node("db1").report});
  const bool still_known = !drive.durable().older.empty() || drive.durable().quorum.number == 0;
  EXPECT_TRUE(still_known) << "a commit may be acknowledged by the primary alone";
  drive.node("db1").obeys = true;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().quorum, before);
}

TEST(QuorumChange, RemovedNodeLeavesTheQuorum) {
  Drive drive = Drive::Healthy();
  ClusterSpec spec = drive.durable().spec;
  spec.nodes = {"db1", "db2"};
  drive.Feed(SpecApplied{spec});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db2"}}));
}

TEST(QuorumChange, AddedNodeJoinsOnceItStreams) {
  Drive drive = Drive::Healthy();
  ClusterSpec spec = drive.durable().spec;
  spec.nodes.emplace_back("db4");
  drive.Feed(SpecApplied{spec});
  drive.Pass(Duration{3'000});
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db2", "db3"}}));
  drive.Join("db4");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db2", "db3", "db4"}}));
}

// ---- preferred and required ----

TEST(Preferred, CommitsGoOnAloneThreeSecondsAfterTheLastStandbyWent) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db2");
  drive.KillVm("db3");
  drive.Pass(Duration{2'500});
  EXPECT_EQ(drive.durable().quorum.number, 1U);
  drive.Pass(Duration{2'000});
  EXPECT_EQ(drive.durable().quorum, Quorum{});
  EXPECT_NE(drive.PhaseReason().find("confirmed by 0 standbys instead of 1"), std::string::npos)
      << drive.PhaseReason();
}

TEST(Preferred, NobodyIsPromotedUnaskedWhileThePrimaryWasAlone) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db2");
  drive.KillVm("db3");
  drive.Pass(Duration{10'000});
  drive.KillVm("db1");
  drive.BootVm("db2");
  drive.BootVm("db3");
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().stage, Stage::kFencing);
  EXPECT_EQ(drive.PhaseName(), "NoPrimary");
}

TEST(Preferred, IsRestoredWhenAStandbyStreamsAgain) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db2");
  drive.KillVm("db3");
  drive.Pass(Duration{10'000});
  drive.BootVm("db2");
  ASSERT_TRUE(drive.PassUntil([&] {
    return drive.durable().quorum == (Quorum{1, {"db2"}}) && drive.durable().older.empty();
  }));
  drive.KillVm("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
}

TEST(Required, NeverLowersTheNumber) {
  ClusterSpec spec = SpecOf(3);
  spec.synchronous.durability = DataDurability::kRequired;
  Drive drive = Drive::Healthy(spec);
  drive.KillVm("db2");
  drive.KillVm("db3");
  drive.Pass(Duration{120'000});
  EXPECT_EQ(drive.durable().quorum.number, 1U);
  EXPECT_FALSE(drive.durable().quorum.standbys.empty());
}

TEST(Required, TwoStayTwoAfterAFailoverWithOneStandbyLeft) {
  ClusterSpec spec = SpecOf(3);
  spec.synchronous.durability = DataDurability::kRequired;
  spec.synchronous.number = 2;
  Drive drive = Drive::Healthy(spec);
  ASSERT_EQ(drive.durable().quorum.number, 2U);
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); })) << drive.PhaseReason();
  drive.Pass(Duration{60'000});
  EXPECT_EQ(drive.durable().quorum, (Quorum{2, {"db1", "db3"}}));
  drive.BootVm("db1");
  EXPECT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
}

TEST(Required, LowerNumberInTheSpecIsFollowed) {
  ClusterSpec spec = SpecOf(3);
  spec.synchronous.durability = DataDurability::kRequired;
  spec.synchronous.number = 2;
  Drive drive = Drive::Healthy(spec);
  spec.synchronous.number = 1;
  drive.Feed(SpecApplied{spec});
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); })) << drive.PhaseReason();
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db2", "db3"}}));
}

TEST(NewPrimary, StartsWithTheVotersThatFollowIt) {
  Drive drive = Drive::Healthy();
  drive.KillVm("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  EXPECT_EQ(drive.durable().quorum, (Quorum{1, {"db3"}}));
  EXPECT_EQ(drive.Desired("db2").quorum, drive.durable().quorum) << "in force before it promotes";
}

TEST(NewPrimary, TakesAllOthersWhereTheVotersAreTooFew) {
  ClusterSpec spec = SpecOf(4);
  spec.synchronous.number = 2;
  Drive drive = Drive::Healthy(spec);
  const std::set<std::string> voters = {"db2", "db3"};
  EXPECT_EQ(QuorumForNewPrimary(drive.durable(), "db2", voters), (Quorum{1, {"db3"}}));
  EXPECT_EQ(QuorumForNewPrimary(drive.durable(), "db2", {"db2"}),
            (Quorum{2, {"db1", "db3", "db4"}}));
  spec.synchronous.durability = DataDurability::kRequired;
  drive.Feed(SpecApplied{spec});
  EXPECT_EQ(QuorumForNewPrimary(drive.durable(), "db2", voters),
            (Quorum{2, {"db1", "db3", "db4"}}));
}

}  // namespace
}  // namespace pgmahout::controller
