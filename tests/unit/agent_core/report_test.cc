// SPDX-License-Identifier: Apache-2.0
// What the controller is told.
#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

Report ReportOn(const World& world) {
  return ReportOf(world, "", "");
}

TEST(Report, OfAPrimary) {
  const Report report = ReportOn(RunningPrimary());
  EXPECT_EQ(report.cluster, "orders");
  EXPECT_EQ(report.epoch, kEpoch);
  EXPECT_EQ(report.system_identifier, kSystemIdentifier);
  EXPECT_EQ(report.server, ServerState::kRunning);
  EXPECT_EQ(report.role, ServerRole::kPrimary);
  EXPECT_TRUE(report.data_is_complete);
  EXPECT_TRUE(report.roles_ready);
  EXPECT_EQ(report.writable_epoch, kEpoch);
  EXPECT_EQ(report.write_lsn, Lsn{2'000});
  EXPECT_EQ(report.quorum_in_effect, (Quorum{1, {"db1", "db3"}}));
}

TEST(Report, OfAStandbyNamesItsUpstream) {
  const Report report = ReportOn(RunningStandby());
  EXPECT_EQ(report.role, ServerRole::kStandby);
  EXPECT_TRUE(report.receiver_streaming);
  EXPECT_EQ(report.receiver_upstream, "db1");
  EXPECT_EQ(report.receive_lsn, Lsn{950});
  EXPECT_EQ(report.writable_epoch, 0U);
}

TEST(Report, WritableEpochIsToldOnlyOnceItIsStored) {
  World world = RunningPrimary();
  world.memory.started_epoch = kEpoch - 1;
  EXPECT_EQ(ReportOn(world).writable_epoch, 0U);
}

TEST(Report, OfAServerThatIsDownTellsWhenItWasPrimary) {
  World world = WithData(Assignment::kPrepare, /*standby=*/false);
  world.memory.started_epoch = 3;
  EXPECT_EQ(ReportOn(world).started_epoch, 3U);
}

TEST(Report, QuorumInEffectMeansLoadedAndSettled) {
  World world = RunningPrimary();
  world.observation.sql->since_config_load = Duration{499};
  EXPECT_FALSE(ReportOn(world).quorum_in_effect.has_value());
  world = RunningPrimary();
  world.observation.sql->synchronous_standby_names = "";
  EXPECT_FALSE(ReportOn(world).quorum_in_effect.has_value());
  world.desired->quorum = Quorum{};
  EXPECT_EQ(ReportOn(world).quorum_in_effect, Quorum{});
}

TEST(Report, CleanStopIsThatOfAPrimaryOnly) {
  World world = FormerPrimary("shut down", 1, Lsn{700});
  EXPECT_TRUE(ReportOn(world).clean_stop);
  EXPECT_EQ(ReportOn(world).write_lsn, Lsn{700});
  EXPECT_EQ(ReportOn(world).timeline, 1U);
  EXPECT_EQ(ReportOn(world).role, ServerRole::kUnknown);
  EXPECT_FALSE(ReportOn(FormerPrimary("shut down in recovery", 1, Lsn{700})).clean_stop);
  EXPECT_FALSE(ReportOn(FormerPrimary("in production", 1, Lsn{700})).clean_stop);
}

// Processes without a postmaster may still acknowledge commits: that is not "stopped".
TEST(Report, OrphansAreNotAStoppedServer) {
  World world = FormerPrimary("in production", 1, Lsn{700});
  world.observation.orphans = true;
  EXPECT_EQ(ReportOn(world).server, ServerState::kStopping);
}

TEST(Report, CarriesTheStepAndWhyItDoesNotGetOn) {
  const Report report = ReportOf(RunningStandby(), "base-backup 42%", "connection refused");
  EXPECT_EQ(report.step, "base-backup 42%");
  EXPECT_EQ(report.step_error, "connection refused");
}

TEST(Report, WithoutOrdersStillTellsWhatRuns) {
  World world = RunningPrimary();
  world.desired.reset();
  EXPECT_EQ(ReportOn(world).role, ServerRole::kPrimary);
  EXPECT_FALSE(ReportOn(world).quorum_in_effect.has_value());
}

TEST(RunsAsPrimary, WithoutAnAnswerTheSignalFileTells) {
  Observation seen;
  EXPECT_FALSE(RunsAsPrimary(seen));
  seen.postmaster_alive = true;
  EXPECT_TRUE(RunsAsPrimary(seen)) << "no standby.signal: it may accept writes any moment";
  seen.data.standby_signal = true;
  EXPECT_FALSE(RunsAsPrimary(seen));
  seen.sql = SqlFacts{};
  EXPECT_TRUE(RunsAsPrimary(seen)) << "what it answers counts";
}

// A connection that was cut looks alive for seconds.
TEST(Report, StandbyThatHasFlushedNoMarkerLatelyDoesNotStream) {
  World world = RunningPrimary();
  world.observation.sql->attached = {Attached{"db1", true, "quorum", Lsn{1}, Lsn{1}},
                                     Attached{"db3", true, "quorum", Lsn{1}, Lsn{1}}};
  world.witnesses["db3"] = world.now - Duration{3'000};
  const Report report = ReportOf(world, "", "");
  EXPECT_TRUE(report.attached[0].streaming) << "it has just come, no marker is known of it";
  EXPECT_FALSE(report.attached[1].streaming);
  world.witnesses["db3"] = world.now - Duration{2'999};
  EXPECT_TRUE(ReportOf(world, "", "").attached[1].streaming);
}

TEST(Report, DiskThatHangsOrFailsMakesAPrimaryIll) {
  World world = RunningPrimary();
  world.observation.disk.waits_since = world.now - Duration{2'999};
  EXPECT_EQ(ReportOf(world, "", "").server, ServerState::kRunning);
  world.observation.disk.waits_since = world.now - Duration{3'000};
  EXPECT_EQ(ReportOf(world, "", "").server, ServerState::kHung);
  EXPECT_NE(ReportOf(world, "", "").illness, "");
  world.observation.disk = DiskHealth{std::nullopt, "cannot write: Read-only file system", false};
  EXPECT_EQ(ReportOf(world, "", "").illness, "cannot write: Read-only file system");
  world.observation.disk.full = true;
  EXPECT_EQ(ReportOf(world, "", "").server, ServerState::kRunning) << "a full disk is no failover";
  EXPECT_EQ(ReportOf(world, "", "").step_error, "cannot write: Read-only file system");
}

TEST(Report, LookThatDoesNotEndIsAnAnswerToo) {
  World world = RunningPrimary();
  world.observation.taken_at = world.now - Duration{3'000};
  EXPECT_EQ(ReportOf(world, "", "").server, ServerState::kHung);
}

TEST(Report, NamesWhyNoWalArrives) {
  EXPECT_EQ(ReportOn(RunningPrimary()).receiver_trouble, "");
  World world = RunningStandby();
  EXPECT_EQ(ReportOn(world).receiver_trouble, "");
  world.observation.receiver_heard_at = world.now - Duration{2'250};
  EXPECT_EQ(ReportOn(world).receiver_trouble,
            "its WAL receiver is stuck: nothing comes from its upstream");
  world.observation.sql->receiver_streaming = false;
  EXPECT_EQ(ReportOn(world).receiver_trouble,
            "its WAL receiver has not got through to its upstream");
  world.observation.sql->receiver_exists = false;
  EXPECT_EQ(ReportOn(world).receiver_trouble, "no WAL receiver runs");
}

TEST(Report, CarriesTheDiskAndWhatWasLeftBehind) {
  World world = RunningStandby();
  world.observation.disk_free_bytes = 5;
  world.observation.disk_bytes = 50;
  world.observation.disk_full_in = Duration{7};
  world.observation.diverged = DivergedWal{kEpoch, 1, Lsn{5}, Lsn{9}};
  const Report report = ReportOn(world);
  EXPECT_EQ(report.disk_free_bytes, 5U);
  EXPECT_EQ(report.disk_bytes, 50U);
  EXPECT_EQ(report.disk_full_in, Duration{7});
  EXPECT_EQ(report.diverged, world.observation.diverged);
}

TEST(Report, SilentReceiverIsNoEvidenceOfALivingPrimary) {
  World world = RunningStandby();
  world.observation.receiver_heard_at = world.now - Duration{2'249};
  EXPECT_TRUE(ReportOf(world, "", "").receiver_streaming);
  world.observation.receiver_heard_at = world.now - Duration{2'250};
  EXPECT_FALSE(ReportOf(world, "", "").receiver_streaming);
}

}  // namespace
}  // namespace pgmahout::agent
