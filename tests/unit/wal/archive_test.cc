// SPDX-License-Identifier: Apache-2.0
// Push, Get and Verify, one caller at a time, in a directory of their own.
#include "agent/wal/archive.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/pg/timeline_placeholder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/wal/segment.h"

namespace pgmahout::wal {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ArchiveTest : public testing::Test {
 protected:
  std::string Archived(const std::string& name) const { return absl::StrCat(archive_, "/", name); }

  const ScratchDirectory scratch_;
  const std::string archive_ = scratch_.Make("archive");
  const std::string pg_wal_ = scratch_.Make("data/pg_wal");
  const std::string restored_ = pg_wal_ + "/RECOVERYXLOG";
};

TEST_F(ArchiveTest, PushCopiesTheSegmentAndLeavesNothingElse) {
  const std::string source = WriteSegment(pg_wal_, {});
  ASSERT_TRUE(Push(archive_, source).ok()) << Push(archive_, source);
  EXPECT_THAT(ListDirectory(archive_), ElementsAre(NameOf({})));
  EXPECT_EQ(ReadWhole(Archived(NameOf({}))), MakeSegment({}));
  EXPECT_EQ(ReadWhole(source), MakeSegment({})) << "the source is PostgreSQL's to recycle";
}

TEST_F(ArchiveTest, TheArchivedFileIsNotForEverybodysEyes) {
  ASSERT_TRUE(Push(archive_, WriteSegment(pg_wal_, {})).ok());

  struct stat info {};

  ASSERT_EQ(stat(Archived(NameOf({})).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0007, 0u);
}

TEST_F(ArchiveTest, PushesTheThreeOtherKindsOfFiles) {
  const std::string partial = NameOf({}) + ".partial";
  const std::string backup = NameOf({}) + ".00000028.backup";
  WriteWhole(absl::StrCat(pg_wal_, "/00000002.history"), "1\t0/3000000\tno recovery target\n");
  WriteWhole(absl::StrCat(pg_wal_, "/", backup), "START WAL LOCATION: 0/100028\n");
  WriteWhole(absl::StrCat(pg_wal_, "/", partial), MakeSegment({}));
  for (const std::string& name : {std::string("00000002.history"), backup, partial}) {
    const absl::Status status = Push(archive_, absl::StrCat(pg_wal_, "/", name));
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(ReadWhole(Archived(name)), ReadWhole(absl::StrCat(pg_wal_, "/", name)));
  }
}

TEST_F(ArchiveTest, PushingTheSameContentAgainIsSuccess) {
  const std::string source = WriteSegment(pg_wal_, {});
  ASSERT_TRUE(Push(archive_, source).ok());
  const auto written = fs::last_write_time(Archived(NameOf({})));
  EXPECT_TRUE(Push(archive_, source).ok());
  EXPECT_EQ(fs::last_write_time(Archived(NameOf({}))), written);
}

TEST_F(ArchiveTest, PushNeverReplacesOtherContent) {
  ASSERT_TRUE(Push(archive_, WriteSegment(pg_wal_, {})).ok());
  const absl::Status status = Push(archive_, WriteSegment(pg_wal_, {.noise = 2}));
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(InfoOf(status).reason, "archive-conflict");
  EXPECT_THAT(InfoOf(status).detail, HasSubstr("SHA-256"));
  EXPECT_THAT(InfoOf(status).hint, Not(IsEmpty()));
  EXPECT_EQ(ReadWhole(Archived(NameOf({}))), MakeSegment({}));
  EXPECT_THAT(ListDirectory(archive_), ElementsAre(NameOf({})));
}

// Two candidates, one after the other, left a timeline in the same segment.
TEST_F(ArchiveTest, OfSeveralPartialSegmentsTheFirstStays) {
  const std::string partial = absl::StrCat(pg_wal_, "/", NameOf({}), ".partial");
  WriteWhole(partial, MakeSegment({}));
  ASSERT_TRUE(Push(archive_, partial).ok());
  WriteWhole(partial, MakeSegment({.noise = 2}));
  const absl::Status status = Push(archive_, partial);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadWhole(Archived(NameOf({}) + ".partial")), MakeSegment({}));
}

TEST_F(ArchiveTest, HistoriesOfOneTimelineMustAgree) {
  const std::string history = absl::StrCat(pg_wal_, "/00000002.history");
  WriteWhole(history, "1\t0/3000000\tno recovery target\n");
  ASSERT_TRUE(Push(archive_, history).ok());
  WriteWhole(history, "1\t0/4000000\tno recovery target\n");
  EXPECT_TRUE(absl::IsAlreadyExists(Push(archive_, history)));
}

// A number was taken for a candidate that was lost; later that one is named by a person, and its
// history arrives after all.
TEST_F(ArchiveTest, HistoryTakesThePlaceOfAPlaceholderAndNeverTheReverse) {
  const std::string history = absl::StrCat(pg_wal_, "/00000002.history");
  WriteWhole(history, kTimelinePlaceholder);
  ASSERT_TRUE(Push(archive_, history).ok());
  ASSERT_TRUE(Push(archive_, history).ok());
  EXPECT_EQ(ReadWhole(Archived("00000002.history")), kTimelinePlaceholder);
  const std::string real = "1\t0/3000000\tno recovery target\n";
  WriteWhole(history, real);
  ASSERT_TRUE(Push(archive_, history).ok());
  EXPECT_EQ(ReadWhole(Archived("00000002.history")), real);
  WriteWhole(history, kTimelinePlaceholder);
  ASSERT_TRUE(Push(archive_, history).ok());
  EXPECT_EQ(ReadWhole(Archived("00000002.history")), real);
  EXPECT_THAT(ListDirectory(archive_), ElementsAre("00000002.history"));
}

TEST_F(ArchiveTest, ADifferenceInTheLastByteIsOtherContent) {
  const std::string source = WriteSegment(pg_wal_, {});
  ASSERT_TRUE(Push(archive_, source).ok());
  std::string changed = MakeSegment({});
  changed.back() = static_cast<char>(changed.back() ^ 1);
  WriteWhole(source, changed);
  EXPECT_TRUE(absl::IsAlreadyExists(Push(archive_, source)));
  EXPECT_EQ(ReadWhole(Archived(NameOf({}))), MakeSegment({}));
}

TEST_F(ArchiveTest, PushRefusesATruncatedSegment) {
  const std::string source = WriteSegment(pg_wal_, {});
  WriteWhole(source, MakeSegment({}).substr(0, kMebibyte / 2));
  const absl::Status status = Push(archive_, source);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(NameOf({})));
  EXPECT_THAT(ListDirectory(archive_), IsEmpty());
}

TEST_F(ArchiveTest, PushRefusesASegmentThatPostgresRecycled) {
  // A recycled file carries its new name before its old pages are overwritten.
  const std::string source = absl::StrCat(pg_wal_, "/", NameOf({.segment = 9}));
  WriteWhole(source, MakeSegment({.segment = 3}));
  EXPECT_TRUE(absl::IsDataLoss(Push(archive_, source)));
  EXPECT_THAT(ListDirectory(archive_), IsEmpty());
}

TEST_F(ArchiveTest, PushRefusesAnEmptyHistory) {
  const std::string source = absl::StrCat(pg_wal_, "/00000002.history");
  WriteWhole(source, "");
  EXPECT_TRUE(absl::IsDataLoss(Push(archive_, source)));
  EXPECT_THAT(ListDirectory(archive_), IsEmpty());
}

TEST_F(ArchiveTest, PushRefusesNamesThatPostgresDoesNotArchive) {
  const std::string source = absl::StrCat(pg_wal_, "/xlogtemp.77");
  WriteWhole(source, MakeSegment({}));
  EXPECT_TRUE(absl::IsInvalidArgument(Push(archive_, source)));
  EXPECT_THAT(ListDirectory(archive_), IsEmpty());
}

TEST_F(ArchiveTest, AMissingDirectoryIsNotCreatedAndNotNotFound) {
  // A forgotten mount must not fill the disk below it, nor end a recovery as "no more WAL".
  const std::string missing = scratch_.path() + "/missing";
  const std::string source = WriteSegment(pg_wal_, {});
  for (const absl::Status& status :
       {Push(missing, source), Get(missing, NameOf({}), restored_), Verify(missing).status()}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(missing));
    EXPECT_THAT(InfoOf(status).hint, HasSubstr("Create it"));
  }
  EXPECT_FALSE(fs::exists(missing));
}

TEST_F(ArchiveTest, AFileInPlaceOfTheDirectoryIsRefused) {
  WriteWhole(archive_ + "/file", "x");
  const absl::Status status = Push(archive_ + "/file", WriteSegment(pg_wal_, {}));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
}

TEST_F(ArchiveTest, ADirectoryInsideADataDirectoryIsRefusedAlsoThroughALink) {
  WriteWhole(scratch_.path() + "/data/PG_VERSION", "15\n");
  const std::string inside = scratch_.Make("data/archive/deep");
  const std::string link = scratch_.path() + "/link";
  fs::create_directory_symlink(inside, link);
  const std::string source = WriteSegment(pg_wal_, {});
  for (const std::string& directory : {inside, link}) {
    const absl::Status status = Push(directory, source);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("inside the data directory"));
  }
  EXPECT_THAT(ListDirectory(inside), IsEmpty());
}

TEST_F(ArchiveTest, GetDeliversWhatWasPushed) {
  ASSERT_TRUE(Push(archive_, WriteSegment(pg_wal_, {})).ok());
  WriteWhole(restored_, "the segment restored before");
  const absl::Status status = Get(archive_, NameOf({}), restored_);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadWhole(restored_), MakeSegment({}));
  EXPECT_THAT(ListDirectory(pg_wal_), ElementsAre(NameOf({}), "RECOVERYXLOG"));
}

TEST_F(ArchiveTest, GetOfAMissingFileIsNotFoundAndTouchesNothing) {
  EXPECT_TRUE(absl::IsNotFound(Get(archive_, NameOf({}), restored_)));
  EXPECT_TRUE(absl::IsNotFound(Get(archive_, "00000002.history", restored_)));
  EXPECT_THAT(ListDirectory(pg_wal_), IsEmpty());
}

TEST_F(ArchiveTest, GetRefusesNamesThatLeadOutOfTheArchive) {
  WriteWhole(scratch_.path() + "/secret", "x");
  EXPECT_TRUE(absl::IsInvalidArgument(Get(archive_, "../secret", restored_)));
  EXPECT_THAT(ListDirectory(pg_wal_), IsEmpty());
}

TEST_F(ArchiveTest, GetOfADamagedFileIsDataLossAndDeliversNothing) {
  const std::string whole = MakeSegment({});
  std::string no_header = whole;
  no_header.replace(0, 40, 40, '\0');
  for (const std::string& damaged : {whole.substr(0, kMebibyte - 1), whole + "x",
                                     MakeSegment({.segment = 2}), no_header, std::string()}) {
    WriteWhole(Archived(NameOf({})), damaged);
    const absl::Status status = Get(archive_, NameOf({}), restored_);
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(Archived(NameOf({}))));
    EXPECT_THAT(ListDirectory(pg_wal_), IsEmpty());
  }
}

// The name of the temporary file that process `pid` of `host` has while it pushes.
std::string TemporaryName(const std::string& host, pid_t pid) {
  return absl::StrCat(".pgmahout-tmp.", host, ".", pid, ".", NameOf({.segment = 8}));
}

pid_t DeadPid() {
  const pid_t pid = fork();
  if (pid == 0) {
    _exit(0);
  }
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
  return pid;
}

TEST_F(ArchiveTest, PushRemovesLeftoversOfDeadProcessesOfThisMachineOnly) {
  std::array<char, 256> host{};
  ASSERT_EQ(gethostname(host.data(), host.size() - 1), 0);
  const pid_t dead = DeadPid();
  const std::string leftover = TemporaryName(host.data(), dead);
  const std::string in_use = TemporaryName(host.data(), getppid());
  const std::string elsewhere = TemporaryName("another-machine", dead);
  for (const std::string& name : {leftover, in_use, elsewhere}) {
    WriteWhole(Archived(name), "half a segment");
  }
  ASSERT_TRUE(Push(archive_, WriteSegment(pg_wal_, {})).ok());
  const std::vector<std::string> left = ListDirectory(archive_);
  EXPECT_THAT(left, Not(Contains(leftover)));
  EXPECT_THAT(left, Contains(in_use));
  EXPECT_THAT(left, Contains(elsewhere));
}

class VerifyTest : public ArchiveTest {
 protected:
  void Archive(const SegmentSpec& spec) { WriteSegment(archive_, spec); }

  Verification Look() const {
    const absl::StatusOr<Verification> result = Verify(archive_);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : Verification{};
  }
};

TEST_F(VerifyTest, AnEmptyArchiveIsWhole) {
  EXPECT_EQ(Look().files, 0u);
  EXPECT_THAT(Look().problems, IsEmpty());
}

TEST_F(VerifyTest, WholeTimelinesAcrossTheRollOverHaveNoProblem) {
  Archive({.segment = 0xFFE});
  Archive({.segment = 0xFFF});
  Archive({.log = 1, .segment = 0});
  Archive({.timeline = 2, .log = 1, .segment = 0});
  Archive({.timeline = 2, .log = 1, .segment = 1});
  WriteWhole(Archived("00000002.history"), "1\t1/80000\tno recovery target\n");
  WriteWhole(Archived(TemporaryName("another-machine", 77)), "being pushed");
  EXPECT_EQ(Look().files, 6u);
  EXPECT_THAT(Look().problems, IsEmpty());
}

TEST_F(VerifyTest, NamesTheFirstMissingSegmentOfAGap) {
  Archive({.segment = 0xFFE});
  Archive({.log = 1, .segment = 1});
  const Verification found = Look();
  ASSERT_EQ(found.problems.size(), 1u);
  EXPECT_THAT(found.problems[0], HasSubstr("000000010000000000000FFF"));
  EXPECT_THAT(found.problems[0], HasSubstr("000000010000000100000001"));
}

TEST_F(VerifyTest, NamesDamagedAndForeignFiles) {
  Archive({.segment = 1});
  WriteWhole(Archived(NameOf({.segment = 2})), MakeSegment({.segment = 2}).substr(0, 4096));
  WriteWhole(Archived("notes.txt"), "x");
  const Verification found = Look();
  EXPECT_EQ(found.files, 2u);
  EXPECT_THAT(found.problems, testing::UnorderedElementsAre(HasSubstr(NameOf({.segment = 2})),
                                                            HasSubstr("notes.txt")));
}

}  // namespace
}  // namespace pgmahout::wal
