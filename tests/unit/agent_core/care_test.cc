// SPDX-License-Identifier: Apache-2.0
// Hands off, and single-use orders: what an agent leaves alone, copies anew and restarts.
#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

constexpr char kLeft[] = "paused or in maintenance: what is stopped is left as it is";

TEST(HandsOff, StoppedStandbyStaysStopped) {
  World world = WithData(Assignment::kStandby, /*standby=*/true);
  Configure(world, /*detached=*/false);
  ASSERT_EQ(Decided(world), "be-standby: start");
  world.desired->hands_off = true;
  EXPECT_EQ(Decided(world), "be-standby: wait");
  EXPECT_EQ(Next(world).reason, kLeft);
}

TEST(HandsOff, NothingIsCopiedOrRemoved) {
  World world = Told(Assignment::kStandby);
  world.desired->hands_off = true;
  EXPECT_EQ(Decided(world), "be-standby: wait") << "no first copy";
  world = RunningStandby();
  world.desired->hands_off = true;
  world.observation.old_directories = 1;
  EXPECT_EQ(Decided(world), "be-standby: wait") << "the old copy stays";
  world.memory.data_number = 3;
  world.desired->rebuild_directory = 3;
  EXPECT_EQ(Decided(world), "be-standby: wait");
  world.observation.sql->server_started = 77;
  world.desired->restart_server = 77;
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

TEST(HandsOff, StoppedPrimaryStaysStopped) {
  World world = WithData(Assignment::kPrimary, /*standby=*/false);
  Configure(world, /*detached=*/false);
  GrantLease(world, Duration{10'000});
  ASSERT_EQ(Decided(world), "be-primary: start");
  world.desired->hands_off = true;
  EXPECT_EQ(Next(world).reason, kLeft);
}

TEST(HandsOff, StoppedStandbyIsNotStartedToVote) {
  World world = WithData(Assignment::kPrepare, /*standby=*/true);
  Configure(world, /*detached=*/true);
  ASSERT_EQ(Decided(world), "vote: start");
  world.desired->hands_off = true;
  EXPECT_EQ(Next(world).reason, kLeft);
}

TEST(HandsOff, WhatRunsIsConfiguredAndFencedAsEver) {
  World world = RunningPrimary();
  world.desired->hands_off = true;
  world.observation.data.config.clear();
  EXPECT_EQ(Decided(world), "be-primary: configure");
  world.now = world.lease->deadline;
  EXPECT_EQ(Decided(world), "fence-at-deadline: kill");
  world = RunningPrimary();
  world.desired = Told(Assignment::kStandby).desired;
  world.desired->hands_off = true;
  EXPECT_EQ(Decided(world), "be-standby: stop") << "another node is primary";
}

World ToldToCopyAnew() {
  World world = RunningStandby();
  world.memory.data_number = 3;
  world.desired->rebuild_directory = 3;
  return world;
}

TEST(RebuildOrder, StopsThenCopiesIntoTheNextDirectory) {
  World world = ToldToCopyAnew();
  EXPECT_EQ(Decided(world), "be-standby: stop")
      << "the copy begins behind all that this node confirmed";
  world.observation.postmaster_alive = false;
  world.observation.sql.reset();
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kBaseBackup);
  EXPECT_EQ(step.memory.data_number, 4U);
  EXPECT_EQ(step.slot, "pgmahout_db2");
}

TEST(RebuildOrder, IsObeyedOnce) {
  World world = ToldToCopyAnew();
  world.memory.data_number = 4;
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

TEST(RebuildOrder, NeedsAConfirmedPrimaryAndDataToReplace) {
  World world = ToldToCopyAnew();
  world.desired->may_rebuild = false;
  EXPECT_EQ(Decided(world), "be-standby: wait");
  world = ToldToCopyAnew();
  world.observation.postmaster_alive = false;
  world.observation.sql.reset();
  world.observation.data.complete = false;
  EXPECT_EQ(Next(world).reason, "its data directory is not complete") << "copied anyway";
}

TEST(RestartOrder, StopsTheServerItNamesAndNoOther) {
  World world = RunningStandby();
  world.observation.sql->server_started = 77;
  world.desired->restart_server = 77;
  EXPECT_EQ(Decided(world), "be-standby: stop");
  EXPECT_EQ(Next(world).reason, "a restart is ordered");
  world.observation.sql->server_started = 78;
  EXPECT_EQ(Decided(world), "be-standby: wait") << "it is the next server already";
  world.desired->restart_server = 0;
  world.observation.sql->server_started = 0;
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

TEST(Report, TellsServersAndDirectoriesApart) {
  World world = RunningStandby();
  world.memory.data_number = 3;
  world.observation.sql->server_started = 77;
  const pgmahout::Report report = ReportOf(world, "", "");
  EXPECT_EQ(report.data_number, 3U);
  EXPECT_EQ(report.server_started, 77U);
}

}  // namespace
}  // namespace pgmahout::agent
