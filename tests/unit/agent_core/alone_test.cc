// SPDX-License-Identifier: Apache-2.0
// A primary that hears neither controller nor standby goes on alone with the witness's word, which
// is given once per epoch and never taken back.
#include "agent/core/alone.h"

#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

constexpr Lsn kRead{700};

void AddWitness(World& world) {
  world.desired->quorum = Quorum{1, {"db1"}, "w1"};
  world.desired->witness = Member{"w1", "10.0.0.9", 0};
  Configure(world, /*detached=*/false);
  GrantLease(world, Duration{10'000});
}

// db2 is primary; its lease was granted `silence` ago, and the standby was seen last then too.
World PrimaryAfter(Duration silence) {
  World world = RunningPrimary();
  AddWitness(world);
  world.witnesses["db1"] = world.now;
  world.now = world.now + silence;
  world.observation.taken_at = world.now;
  return world;
}

World WitnessNode() {
  World world = Told(Assignment::kWitness);
  world.context.node = "w1";
  world.desired->upstream = "db2";
  world.desired->quorum = Quorum{};
  world.desired->witness = Member{"w1", "10.0.0.9", 0};
  return world;
}

World AskedAt(uint64_t epoch) {
  World world = WitnessNode();
  world.observation.visit = Visit{world.now, kRead, epoch};
  return world;
}

std::string Says(uint64_t epoch, bool is_alone, absl::string_view node = "w1") {
  return FormatEcho(node, Echo{epoch, is_alone, kRead});
}

// ---- What they say ----

TEST(Echo, ComesBackAsItWasSaid) {
  const Echo echo{~uint64_t{0}, true, Lsn{~uint64_t{0}}};
  const std::string text = FormatEcho("a-rather-long-name-of-a-witness-node", echo);
  EXPECT_LE(text.size(), 63U) << "PostgreSQL cuts application_name there";
  EXPECT_EQ(ParseEcho(text, "a-rather-long-name-of-a-witness-node"), echo);
}

TEST(Echo, EachPartIsTold) {
  const Echo echo{5, false, kRead};
  for (const Echo& other :
       {Echo{6, false, kRead}, Echo{5, true, kRead}, Echo{5, false, Lsn{701}}}) {
    EXPECT_NE(ParseEcho(FormatEcho("w1", other), "w1"), echo) << FormatEcho("w1", other);
  }
}

TEST(Echo, IsNotTakenFromAnotherNodeNorFromAnythingElse) {
  EXPECT_EQ(ParseEcho(Says(5, true, "w2"), "w1"), std::nullopt);
  const std::string good = Says(5, false);
  const std::string id = good.substr(5, 16);
  for (const std::string& text :
       {std::string(), std::string("psql"), good + ":1", "pgmx:" + id + ":5:0:1",
        "pgmw:" + id + ":x:0:1", "pgmw:" + id + ":5:0:x"}) {
    EXPECT_EQ(ParseEcho(text, "w1"), std::nullopt) << text;
  }
}

// ---- The witness ----

TEST(Witness, LetsThePrimaryOfItsEpochGoOnAloneAndStoresThatFirst) {
  const World world = AskedAt(kEpoch);
  EXPECT_EQ(Decided(world), "be-witness: remember");
  EXPECT_EQ(Next(world).memory.alone_epoch, kEpoch);
  EXPECT_EQ(EchoOf(world), Says(kEpoch, false)) << "not before it is stored";
  World stored = world;
  stored.memory.alone_epoch = kEpoch;
  EXPECT_EQ(Decided(stored), "be-witness: wait");
  EXPECT_EQ(EchoOf(stored), Says(kEpoch, true));
  EXPECT_EQ(ReportOf(stored, "", "").alone_epoch, kEpoch);
}

TEST(Witness, LetsNobodyOfAnotherEpochGoOn) {
  EXPECT_EQ(Decided(AskedAt(kEpoch - 1)), "be-witness: wait");
  EXPECT_EQ(Decided(AskedAt(0)), "be-witness: wait");
  EXPECT_EQ(Decided(WitnessNode()), "be-witness: wait");
  World told_later = AskedAt(kEpoch);
  told_later.desired->epoch = kEpoch + 1;
  EXPECT_EQ(Decided(told_later), "remember-orders: remember");
  EXPECT_EQ(Next(told_later).memory.alone_epoch, 0U);
  EXPECT_EQ(EchoOf(told_later), "");
}

TEST(Witness, WordForAnEarlierEpochIsNoneForThisOne) {
  World world = AskedAt(0);
  world.memory.alone_epoch = kEpoch - 1;
  EXPECT_EQ(EchoOf(world), Says(kEpoch, false));
}

TEST(Witness, NeverRunsPostgres) {
  World world = WitnessNode();
  EXPECT_EQ(Next(world).kind, StepKind::kWait);
  world.observation.data.exists = true;
  world.observation.data.complete = true;
  EXPECT_EQ(Next(world).kind, StepKind::kWait) << "what lies there is neither started nor removed";
  world.observation.postmaster_alive = true;
  world.observation.data.standby_signal = true;
  EXPECT_EQ(Decided(world), "be-witness: stop");
}

TEST(Witness, SaysNothingUnlessItIsOne) {
  World world = RunningStandby();
  EXPECT_EQ(EchoOf(world), "");
  world.desired.reset();
  EXPECT_EQ(EchoOf(world), "");
  EXPECT_EQ(EchoOf(WitnessNode()), FormatEcho("w1", Echo{kEpoch, false, Lsn{}}));
}

TEST(Witness, ReportsWhetherItReachesThePrimary) {
  World world = AskedAt(0);
  EXPECT_TRUE(ReportOf(world, "", "").receiver_streaming);
  world.now = world.now + Duration{3'000};
  EXPECT_FALSE(ReportOf(world, "", "").receiver_streaming);
  EXPECT_FALSE(ReportOf(WitnessNode(), "", "").receiver_streaming);
}

// ---- Seen from the primary ----

TEST(AttachWitness, TakesTheLatestPositionReadAtThisEpoch) {
  World world = PrimaryAfter(Duration{0});
  const std::string older = FormatEcho("w1", Echo{kEpoch, false, Lsn{500}});
  world.observation.sql->echoes = {Says(kEpoch, false), older, Says(kEpoch - 1, false), "junk"};
  AttachWitness(world.desired, &world.observation);
  ASSERT_EQ(world.observation.sql->attached.size(), 1U);
  EXPECT_EQ(world.observation.sql->attached[0], (Attached{"w1", true, "witness", kRead, kRead}));
}

TEST(AttachWitness, NobodyWithoutAPositionOrWithoutAServer) {
  World world = PrimaryAfter(Duration{0});
  world.observation.sql->echoes = {FormatEcho("w1", Echo{kEpoch, false, Lsn{}})};
  AttachWitness(world.desired, &world.observation);
  EXPECT_TRUE(world.observation.sql->attached.empty());
  AttachWitness(std::nullopt, &world.observation);
  world.observation.sql.reset();
  AttachWitness(world.desired, &world.observation);
  EXPECT_FALSE(world.observation.sql.has_value());
}

TEST(GoOnAlone, AsksWhenNeitherControllerNorStandbyWasHeardForHalfTheTime) {
  EXPECT_EQ(Decided(PrimaryAfter(Duration{3'400})), "be-primary: wait");
  const World world = PrimaryAfter(Duration{3'500});
  EXPECT_EQ(Decided(world), "go-on-alone: configure");
  EXPECT_NE(Next(world).config.find("pgmahout.alone_wish = '5'"), std::string::npos);
  EXPECT_NE(Next(world).config.find("ANY 1"), std::string::npos) << "commits still wait";
}

TEST(GoOnAlone, NotWhileTheControllerOrTheStandbyIsHeard) {
  World standby_lives = PrimaryAfter(Duration{20'000});
  standby_lives.witnesses["db1"] = standby_lives.now - Duration{1'000};
  EXPECT_EQ(Decided(standby_lives), "be-primary: wait");
  World controller_lives = PrimaryAfter(Duration{20'000});
  GrantLease(controller_lives, Duration{10'000});
  EXPECT_EQ(Decided(controller_lives), "be-primary: wait");
}

TEST(GoOnAlone, NotWithoutAWitnessNorBeforeItIsWritable) {
  World none = PrimaryAfter(Duration{4'000});
  none.desired->quorum.witness.clear();
  EXPECT_EQ(Decided(none), "be-primary: wait");
  World starting = PrimaryAfter(Duration{4'000});
  starting.memory.started_epoch = kEpoch - 1;
  EXPECT_EQ(Decided(starting), "be-primary: remember");
  World recovering = PrimaryAfter(Duration{4'000});
  recovering.observation.sql->in_recovery = true;
  EXPECT_EQ(Next(recovering).rule, "be-primary");
  World other_lease = PrimaryAfter(Duration{4'000});
  other_lease.lease->epoch = kEpoch - 1;
  EXPECT_EQ(Decided(other_lease), "be-primary: wait");
  World silent = PrimaryAfter(Duration{4'000});
  silent.observation.sql.reset();
  EXPECT_EQ(Next(silent).rule, "be-primary");
  World no_lease = PrimaryAfter(Duration{4'000});
  no_lease.lease.reset();
  EXPECT_EQ(Decided(no_lease), "fence-at-deadline: kill");
}

TEST(GoOnAlone, WaitsForTheAnswerAndTakesNoneOfAnotherEpochOrNode) {
  World world = PrimaryAfter(Duration{4'000});
  world.observation.data.config = Next(world).config;
  world.observation.sql->config_id = ConfigIdOf(world.observation.data.config);
  EXPECT_EQ(Decided(world), "go-on-alone: wait");
  world.observation.sql->echoes = {Says(kEpoch, false), Says(kEpoch - 1, true),
                                   Says(kEpoch, true, "w2")};
  EXPECT_EQ(Decided(world), "go-on-alone: wait");
  world.observation.sql->echoes.push_back(Says(kEpoch, true));
  EXPECT_EQ(Decided(world), "go-on-alone: remember");
  EXPECT_EQ(Next(world).memory.alone_epoch, kEpoch);
}

TEST(GoOnAlone, WhoIsAloneWaitsForNobodyAndNeedsNobody) {
  World world = PrimaryAfter(Duration{60'000});
  world.memory.alone_epoch = kEpoch;
  EXPECT_EQ(WriteDeadlineOf(world), world.now + Duration{10'000});
  EXPECT_EQ(Decided(world), "stay-alone: configure");
  EXPECT_NE(Next(world).config.find("synchronous_standby_names = ''"), std::string::npos);
  EXPECT_EQ(Next(world).config.find("alone_wish"), std::string::npos);
  world.observation.data.config = Next(world).config;
  world.observation.sql->config_id = ConfigIdOf(world.observation.data.config);
  world.observation.sql->synchronous_standby_names.clear();
  EXPECT_EQ(Decided(world), "be-primary: wait");
  const Report report = ReportOf(world, "", "");
  EXPECT_EQ(report.alone_epoch, kEpoch);
  EXPECT_EQ(report.quorum_in_effect, Quorum{});
}

TEST(GoOnAlone, AloneAtAnEarlierEpochIsOver) {
  World world = PrimaryAfter(Duration{60'000});
  world.memory.alone_epoch = kEpoch - 1;
  EXPECT_EQ(Decided(world), "fence-at-deadline: kill");
  World told = PrimaryAfter(Duration{60'000});
  told.memory.alone_epoch = kEpoch;
  told.lease->epoch = kEpoch - 1;
  EXPECT_EQ(Decided(told), "fence-at-deadline: kill");
}

TEST(GoOnAlone, WithoutALeaseAloneMeansNothing) {
  World world = PrimaryAfter(Duration{1'000});
  world.memory.alone_epoch = kEpoch;
  world.lease.reset();
  EXPECT_EQ(WriteDeadlineOf(world), std::nullopt);
  EXPECT_EQ(Decided(world), "fence-at-deadline: kill");
}

TEST(GoOnAlone, WhoIsAloneAndDoesNotAnswerIsNotConfigured) {
  World world = PrimaryAfter(Duration{20'000});
  world.memory.alone_epoch = kEpoch;
  world.observation.sql.reset();
  EXPECT_EQ(Next(world).rule, "be-primary");
}

TEST(GoOnAlone, WhoIsToldToStopStops) {
  World world = PrimaryAfter(Duration{1'000});
  world.memory.alone_epoch = kEpoch;
  world.desired->assignment = Assignment::kStop;
  EXPECT_EQ(Decided(world), "stop-as-ordered: stop");
  world.desired.reset();
  EXPECT_EQ(Decided(world), "wait-for-orders: wait");
}

// ---- Configuration ----

TEST(GoOnAlone, WitnessMayLookAtThePrimaryAndHasNoSlot) {
  World world = PrimaryAfter(Duration{0});
  EXPECT_NE(RenderHba(*world.desired).find("\"10.0.0.9/32\""), std::string::npos);
  EXPECT_EQ(Next(world).slots.create.size(), 0U);
}

}  // namespace
}  // namespace pgmahout::agent
