// SPDX-License-Identifier: Apache-2.0
// DNS: the primary's name moves only after a confirmed promotion, and publishing never gives up.
#include <gtest/gtest.h>

#include <algorithm>
#include <variant>

#include "controller/core/advance.h"
#include "tests/unit/controller_core/drive.h"
#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

using Addresses = std::vector<std::string>;

TEST(Names, SayThePrimaryAndItsStandbys) {
  const Drive drive = Drive::Healthy();
  EXPECT_EQ(drive.published().back().primary_addresses, Addresses{"10.0.0.1"});
  EXPECT_EQ(drive.published().back().standby_addresses, (Addresses{"10.0.0.2", "10.0.0.3"}));
  EXPECT_EQ(drive.published().back().epoch, 1U);
  EXPECT_TRUE(drive.state().names.in_sync);
}

TEST(Names, MoveOnlyOnceTheNewPrimaryIsConfirmed) {
  Drive drive = Drive::Healthy();
  drive.node("db2").promotes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kPromoting; }));
  drive.Pass(Duration{5'000});
  EXPECT_EQ(drive.durable().names.primary_addresses, Addresses{"10.0.0.1"});
  drive.node("db2").promotes = true;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  EXPECT_EQ(drive.durable().names.primary_addresses, Addresses{"10.0.0.2"});
  EXPECT_EQ(drive.durable().names.epoch, 2U);
  EXPECT_EQ(drive.published().back().primary_addresses, Addresses{"10.0.0.2"});
}

TEST(Names, EveryChangeHasAHigherNumber) {
  Drive drive = Drive::Healthy();
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); }));
  for (size_t i = 1; i < drive.published().size(); ++i) {
    const NameRecords& before = drive.published()[i - 1];
    const NameRecords& after = drive.published()[i];
    EXPECT_TRUE(after == before ||
                std::tie(after.epoch, after.change) > std::tie(before.epoch, before.change));
  }
}

TEST(Names, AreNotWantedWithoutASpec) {
  ClusterSpec spec = SpecOf(3);
  spec.dns = DnsSpec{};
  const Drive drive = Drive::Healthy(spec);
  EXPECT_TRUE(drive.published().empty());
}

TEST(Names, FailureNeverHoldsUpAPromotionAndIsRetriedWithBackoff) {
  Drive drive = Drive::Healthy();
  drive.SetNamesAnswer(false, "ns1 does not answer");
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }, Duration{1'000}));
  drive.Pass(Duration{5'000});
  EXPECT_NE(drive.PhaseReason().find("DNS: orders-rw.db.example. is not up to date: ns1 does not"),
            std::string::npos)
      << drive.PhaseReason();
  const size_t early = drive.published().size();
  drive.Pass(Duration{300'000});
  EXPECT_EQ(drive.state().names.backoff, Duration{30'000}) << "it grows to its limit";
  EXPECT_GE(drive.published().size(), early + 8) << "and never gives up";
  EXPECT_LE(drive.published().size(), early + 20);
  drive.SetNamesAnswer(true);
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsHealthy(); }, Duration{60'000}));
  EXPECT_EQ(drive.state().names.backoff, Duration{0});
  EXPECT_EQ(drive.state().names.error, "");
}

TEST(Names, ResultOfAnEarlierChangeProvesNothing) {
  Drive drive = Drive::Healthy();
  drive.HoldNames();
  drive.node("db3").streams = false;
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().names.standby_addresses.size() == 1; }));
  const NameRecords old = drive.published().back();
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.IsRunning("db2"); }));
  ASSERT_NE(old, drive.durable().names);
  const size_t before = drive.published().size();
  drive.Feed(NamesPublished{old.epoch, old.change, true, "", old.primary_addresses});
  EXPECT_FALSE(drive.state().names.in_sync);
  ASSERT_GT(drive.published().size(), before) << "the wanted records follow at once";
  EXPECT_EQ(drive.published().back(), drive.durable().names);
}

TEST(Names, OneUpdateIsUnderWayAtATime) {
  Drive drive = Drive::Healthy();
  drive.HoldNames();
  drive.KillVm("db3");
  drive.Pass(Duration{20'000});
  const size_t before = drive.published().size();
  drive.Pass(Duration{120'000});
  EXPECT_EQ(drive.published().size(), before);
}

TEST(Names, AreReadBackEveryMinute) {
  Drive drive = Drive::Healthy();
  const size_t before = drive.published().size();
  drive.Pass(Duration{50'000});
  EXPECT_EQ(drive.published().size(), before);
  drive.Pass(Duration{15'000});
  EXPECT_EQ(drive.published().size(), before + 1);
  EXPECT_EQ(drive.published().back(), drive.durable().names);
}

TEST(Names, RestartOfTheControllerTakesNoStandbyOutOfThem) {
  Drive drive = Drive::Healthy();
  const NameRecords before = drive.durable().names;
  drive.RestartController();
  for (int i = 0; i < 50; ++i) {
    drive.Pass(Duration{100});
    ASSERT_EQ(drive.durable().names, before);
  }
  EXPECT_TRUE(drive.IsHealthy()) << drive.PhaseReason();
}

// The store may be an old copy; the agents tell.
TEST(Names, AreNotPublishedBeforeThePrimaryIsHeard) {
  const auto publishes = [](ClusterState state) {
    const Outcome outcome = Advance(std::move(state), Tick{}, kNow);
    return std::any_of(outcome.effects.begin(), outcome.effects.end(), [](const Effect& effect) {
      return std::holds_alternative<PublishNames>(effect);
    });
  };
  const ClusterState settled = Settled();
  ClusterState state = Restore(settled.durable, kNow, {{"db1", "10.0.0.1"}});
  EXPECT_FALSE(publishes(state));
  state.members.at("db1").report = settled.members.at("db1").report;
  EXPECT_TRUE(publishes(state));
}

// Whose agent comes back later is let in by the servers of the others all the same.
TEST(Restore, KnowsWhereTheAgentsWere) {
  Durable durable = Settled().durable;
  durable.spec.witness = "db9";
  const NodeAddresses addresses = {{"db2", "10.0.0.2"}, {"db9", "10.0.0.9"}, {"db7", "10.0.0.7"}};
  const DesiredState desired = DesiredFor(Restore(durable, kNow, addresses), "db1");
  EXPECT_EQ(desired.members,
            (std::vector<Member>{{"db1", "", 5432}, {"db2", "10.0.0.2", 5432}, {"db3", "", 5432}}));
  EXPECT_EQ(desired.witness, (Member{"db9", "10.0.0.9", 0}));
}

}  // namespace
}  // namespace pgmahout::controller
