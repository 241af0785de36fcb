// SPDX-License-Identifier: Apache-2.0
// What a node tells of its health, and how long what its standbys witnessed is remembered.
#include <gtest/gtest.h>

#include "agent/core/witness.h"
#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

Report ReportOn(const World& world) {
  return ReportOf(world, "", "");
}

// ---- Health ----

TEST(Health, HangingDiskIsToldWithoutOrdersToo) {
  World world = RunningPrimary();
  world.desired.reset();
  world.observation.disk.waits_since = world.now - Duration{2'999};
  EXPECT_EQ(ReportOn(world).illness, "");
  world.observation.disk.waits_since = world.now - Duration{3'000};
  EXPECT_EQ(ReportOn(world).illness, "a small write to its data directory does not reach the disk");
}

TEST(Health, HungServerTellsWhatTheConnectionSaid) {
  World world = RunningPrimary();
  world.observation.server = ServerState::kHung;
  world.observation.sql.reset();
  world.observation.sql_error = "timeout expired";
  EXPECT_EQ(ReportOn(world).server, ServerState::kHung);
  EXPECT_EQ(ReportOn(world).illness,
            "a fresh connection and a small write get no answer: timeout expired");
}

// The controller takes "stopped" for fenced; a bad disk takes nothing back.
TEST(Health, StoppedServerOnABadDiskIsStopped) {
  World world = WithData(Assignment::kStop, /*standby=*/false);
  world.observation.disk.error = "cannot write: Input/output error";
  EXPECT_EQ(ReportOn(world).server, ServerState::kStopped);
  EXPECT_EQ(ReportOn(world).illness, "cannot write: Input/output error");
}

TEST(Health, StandbyThatThePrimaryDoesNotSeeStreamDoesNot) {
  World world = RunningPrimary();
  world.observation.sql->attached = {Attached{"db1", false, "async", Lsn{1}, Lsn{1}},
                                     Attached{"db3", true, "quorum", Lsn{1}, Lsn{1}}};
  world.witnesses = {{"db1", world.now}, {"db3", world.now}};
  EXPECT_FALSE(ReportOn(world).attached[0].streaming);
  EXPECT_TRUE(ReportOn(world).attached[1].streaming);
}

TEST(Health, NodeWithoutDataTellsNoPositions) {
  const Report report = ReportOn(Told(Assignment::kNone));
  EXPECT_EQ(report.server, ServerState::kAbsent);
  EXPECT_FALSE(report.data_is_complete);
  EXPECT_FALSE(report.clean_stop);
  EXPECT_EQ(report.timeline, 0U);
  EXPECT_FALSE(report.write_lsn.valid());
}

// ---- Markers ----

Observation Marked(int64_t before, uint64_t lsn, uint64_t flushed) {
  Observation seen;
  seen.postmaster_alive = true;
  seen.sql.emplace();
  seen.sql->marker_before = At(before);
  seen.sql->marker_lsn = Lsn{lsn};
  seen.sql->attached = {Attached{"db2", true, "quorum", Lsn{flushed}, Lsn{flushed}}};
  return seen;
}

TEST(Witnesses, AreForgottenWhenTheServerEnds) {
  Witnesses witnesses;
  witnesses.Take(Marked(1'000, 100, 100));
  ASSERT_EQ(witnesses.seen().count("db2"), 1U);
  witnesses.Take(Observation{});
  EXPECT_TRUE(witnesses.seen().empty());
}

TEST(Witnesses, NeedAMarkerThatWasWrittenAndFlushedHere) {
  Witnesses witnesses;
  Observation seen = Marked(1'000, 0, 500);
  witnesses.Take(seen);
  EXPECT_TRUE(witnesses.seen().empty()) << "it is not known where it ends";
  seen = Marked(1'000, 100, 500);
  seen.sql->marker_before.reset();
  witnesses.Take(seen);
  EXPECT_TRUE(witnesses.seen().empty()) << "it is not known when it was written";
}

// A standby that is that far behind helps nobody to go on.
TEST(Witnesses, OnesThatAreSixtyFourMarkersBehindDoNotCount) {
  for (const int later : {63, 64}) {
    Witnesses witnesses;
    witnesses.Take(Marked(1'000, 100, 0));
    for (int i = 1; i < later; ++i) {
      witnesses.Take(Marked(1'000 + i, 100 + i, 0));
    }
    witnesses.Take(Marked(1'000 + later, 100 + later, 100));  // it has flushed the first one
    EXPECT_EQ(witnesses.seen().count("db2"), later == 63 ? 1U : 0U) << later << " markers later";
  }
}

}  // namespace
}  // namespace pgmahout::agent
