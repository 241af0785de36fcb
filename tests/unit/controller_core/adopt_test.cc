// SPDX-License-Identifier: Apache-2.0
// A cluster that is made of running servers, and letting go of one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "controller/core/adoption.h"
#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Adoption, BeginsWithTheServerOfTheNamedNode) {
  const ClusterState state = CreateAdopted(SpecOf(3), "db2", "sealed", kNow);
  EXPECT_EQ(state.durable.stage, Stage::kCreating);
  EXPECT_EQ(state.durable.primary, "db2");
  EXPECT_EQ(DesiredFor(state, "db2").assignment, Assignment::kAdopt);
  EXPECT_EQ(DesiredFor(state, "db1").assignment, Assignment::kNone);
  EXPECT_TRUE(DesiredFor(state, "db2").adopt);
  EXPECT_FALSE(DesiredFor(Create(SpecOf(3), "sealed", kNow), "db1").adopt);
}

TEST(Adoption, GoesOnAtTheTimelineThatItFinds) {
  ClusterState state = CreateAdopted(SpecOf(1), "db1", "sealed", kNow);
  Report report;
  report.cluster = "orders";
  report.epoch = 1;
  report.server = ServerState::kRunning;
  report.role = ServerRole::kPrimary;
  report.system_identifier = 7;
  report.writable_epoch = 1;
  report.roles_ready = true;
  report.timeline = 9;
  report.fork_lsn = Wal(3);
  const Outcome outcome = Advance(state, AgentReported{"db1", 1, report}, kNow);
  EXPECT_EQ(outcome.state.durable.stage, Stage::kRunning);
  EXPECT_EQ(outcome.state.durable.timeline, 9U);
  EXPECT_EQ(outcome.state.durable.fork_lsn, Wal(3));
  EXPECT_EQ(outcome.state.durable.system_identifier, 7U);
  EXPECT_EQ(DesiredFor(outcome.state, "db1").new_timeline, 9U) << "the next epoch's is 10";
}

TEST(Adoption, StandbysMayBeTakenOverWhenTheirTurnComes) {
  ClusterState state = Settled();
  state.durable.adopted = true;
  EXPECT_EQ(DesiredFor(state, "db2").assignment, Assignment::kStandby);
  EXPECT_TRUE(DesiredFor(state, "db2").adopt);
}

TEST(AdoptionPreview, AsksWithoutAnOrder) {
  const ClusterState state = CreateAdopted(SpecOf(3), "db2", "", kNow);
  const DesiredState asked = PreviewFor(state, "db3", 17);
  EXPECT_EQ(asked.assignment, Assignment::kPreview);
  EXPECT_EQ(asked.upstream, "db2");
  EXPECT_EQ(asked.epoch, 17U) << "an agent ignores lower ones, and stores higher ones";
  EXPECT_TRUE(asked.adopt);
  EXPECT_EQ(asked.members.size(), 3U);
}

TEST(AdoptionPreview, ComparesTheDataOfStandbys) {
  std::map<std::string, AdoptionPlan> plans;
  plans["db1"].part = AdoptionPart::kPrimary;
  plans["db1"].system_identifier = 7;
  plans["db2"].part = AdoptionPart::kStandby;
  plans["db2"].system_identifier = 7;
  plans["db3"].part = AdoptionPart::kStandby;
  plans["db3"].system_identifier = 8;
  plans["db4"].part = AdoptionPart::kCopy;
  CompareSystemIdentifiers("db1", &plans);
  EXPECT_THAT(plans["db3"].refusals, ElementsAre(HasSubstr("system identifier 8")));
  for (const char* node : {"db1", "db2", "db4"}) {
    EXPECT_THAT(plans[node].refusals, IsEmpty()) << node;
  }
}

TEST(Release, NeedsAPrimaryThatHearsOfIt) {
  EXPECT_TRUE(CheckRelease(Settled(), kNow).ok());
  ClusterState silent = Settled();
  Silence(silent, "db1");
  EXPECT_THAT(InfoOf(CheckRelease(silent, kNow)).detail, HasSubstr("The primary db1 is not heard"));
  ClusterState down = Settled();
  ReportFrom(down, "db1").server = ServerState::kStopped;
  EXPECT_FALSE(CheckRelease(down, kNow).ok());
}

TEST(Release, DoesNotInterruptAChangeOfPrimary) {
  EXPECT_THAT(InfoOf(CheckRelease(Promoting(), kNow)).detail, HasSubstr("its primary changes"));
  ClusterState quarantined = Settled();
  quarantined.durable.quarantined = true;
  EXPECT_FALSE(CheckRelease(quarantined, kNow).ok());
}

// What is stored again is what differs.
TEST(Adopted, MakesTheDurableStateAnother) {
  Durable durable;
  durable.adopted = true;
  EXPECT_FALSE(durable == Durable());
}

}  // namespace
}  // namespace pgmahout::controller
