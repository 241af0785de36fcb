// SPDX-License-Identifier: Apache-2.0
// What is archived under the names of timelines, and which numbers those get.
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/postgres/process_control.h"
#include "agent/wal/archive.h"
#include "agent/wal/segment_end.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/pg/timeline_placeholder.h"
#include "tests/integration/agent_postgres/pair.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

// Nobody knows for certain which timelines lost candidates have begun. What keeps their numbers
// free must harm nobody: neither who asks for those histories, nor a server on which an earlier
// promotion has come to nothing.
TEST_F(Pair, PromotionBeginsNoTimelineThatALostCandidateMayHaveBegun) {
  db1.desired.spec.archive_directory.clear();
  db2.desired.spec.archive_directory.clear();
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  ExpectArrival(db1, db2, "before the switchover");
  ASSERT_NO_FATAL_FAILURE(SwitchOverToTimelineFour());

  for (const char* history : {"/pg_wal/00000002.history", "/pg_wal/00000003.history"}) {
    fs::copy_file(db2.DataDirectory() + history, db1.DataDirectory() + history);
  }
  ASSERT_NO_FATAL_FAILURE(FollowOnTimelineFour());
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());
  ASSERT_NO_FATAL_FAILURE(StartStandby(db1));
}

// Of two lost candidates one has archived its history. A recovery from the archive must come to the
// timeline that was begun at last.
TEST_F(Pair, NumbersOfLostCandidatesAreTakenInTheArchiveToo) {
  const std::string archive = site.path() + "/archive/";
  const std::string lost = "1\t0/1000000\tno recovery target specified\n";
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  ExpectArrival(db1, db2, "before the switchover");
  ASSERT_TRUE(WriteFileAtomically(archive + "00000002.history", lost, 0600).ok());
  ASSERT_NO_FATAL_FAILURE(SwitchOverToTimelineFour());
  EXPECT_EQ(Slurp(db2.DataDirectory() + "/pg_wal/00000002.history"), lost);

  const absl::Status filled = db2.Run(StepKind::kBackfillArchive);
  ASSERT_TRUE(filled.ok()) << FormatError(filled);
  EXPECT_EQ(Slurp(archive + "00000002.history"), lost);
  EXPECT_EQ(Slurp(archive + "00000003.history"), kTimelinePlaceholder);
  EXPECT_TRUE(absl::StartsWith(Slurp(archive + "00000004.history"), "1\t"));
  db1.desired.may_rebuild = true;  // it looks into the archive
  ASSERT_NO_FATAL_FAILURE(FollowOnTimelineFour());
  EXPECT_EQ(Slurp(db1.DataDirectory() + "/pg_wal/00000003.history"), kTimelinePlaceholder)
      << "it has asked for it";
}

// db2 had heard of timeline 2 and begun to receive its first segment, from the segment's beginning,
// when it lost power. What it has flushed of timeline 1, and confirmed, lies in the file of the
// same segment that PostgreSQL does not read then.
TEST_F(Pair, BeginningOfANewTimelineHidesNothingThatWasConfirmed) {
  ASSERT_NO_FATAL_FAILURE(MakeStandby());
  db1.Sql("SELECT pg_catalog.pg_switch_wal()");
  ExpectArrival(db1, db2, "in the segment of the fork");
  const std::string fork = db1.Value("SELECT pg_current_wal_lsn()");
  const std::string segment = db1.Value("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 9)");
  ASSERT_TRUE(Eventually(
      [&] { return db2.Value("SELECT pg_last_wal_receive_lsn() >= '" + fork + "'") == "t"; }));
  ASSERT_TRUE(KillServerProcesses(db2.DataDirectory(), Duration{10'000}).ok());
  const std::string wal = db2.DataDirectory() + "/pg_wal/";
  const std::string whole = Slurp(wal + "00000001" + segment);
  ASSERT_TRUE(
      WriteFileAtomically(wal + "00000002.history", "1\t" + fork + "\tpromoted\n", 0600).ok());
  const std::string begun = whole.substr(0, 100) + std::string(whole.size() - 100, '\0');
  ASSERT_TRUE(WriteFileAtomically(wal + "00000002" + segment, begun, 0600).ok());

  ASSERT_TRUE(db2.Run(db2.ConfigureStep(/*detached=*/true)).ok());
  const absl::Status started = db2.Run(StepKind::kStart);
  ASSERT_TRUE(started.ok()) << FormatError(started);
  const Observation seen = db2.LookUntil(
      [](const Observation& now) { return now.sql.has_value() && now.sql->replayed_all_local; });
  ASSERT_TRUE(seen.sql.has_value());
  EXPECT_EQ(seen.sql->timeline, 1U);
  EXPECT_GE(seen.sql->replay_lsn, *ParseLsn(fork)) << FormatLsn(seen.sql->replay_lsn);
  EXPECT_EQ(db2.Value("SELECT count(*) FROM public.marker"), "1");
}

// As a standby has it that was cut off while it received what a switch fills up, and then promoted.
TEST_F(Pair, SwitchedSegmentIsArchivedWhateverIsBehindTheSwitch) {
  const std::string archive = site.path() + "/archive";
  const std::string name = db1.Value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
  const std::string archived = archive + "/" + name;
  const std::string place = db1.Value("SELECT (pg_switch_wal() - '0/0') % 16777216");
  ASSERT_TRUE(Eventually([&] { return FileExists(archived); }));
  std::string content = Slurp(archived);
  ASSERT_EQ(content.size(), 16'777'216U);
  const auto end = static_cast<size_t>(std::stoul(place));
  EXPECT_EQ(wal::EndOfSwitch(*wal::ParseWalName(name), content), end);

  const std::string pushed = site.path() + "/" + name;
  content.replace(end, content.size() - end, content.size() - end, 'x');
  ASSERT_TRUE(WriteFileAtomically(pushed, content, 0600).ok());
  const absl::Status same = wal::Push(archive, pushed);
  EXPECT_TRUE(same.ok()) << FormatError(same);
  content[end - 1] = static_cast<char>(content[end - 1] ^ 1);
  ASSERT_TRUE(WriteFileAtomically(pushed, content, 0600).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(wal::Push(archive, pushed)));
}

}  // namespace
}  // namespace pgmahout::agent
