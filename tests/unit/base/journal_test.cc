// SPDX-License-Identifier: Apache-2.0
// What journald gets: fields that it accepts, and never a reason to wait.
#include "common/base/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/base/datagrams.h"
#include "tests/unit/net/temporary_directory.h"

namespace pgmahout {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(JournalEntry, HasAFieldPerKey) {
  const std::string entry =
      FormatJournalEntry(6, "promoted", {{"node", "db1"}, {"data_directory", "/pg data"}});
  EXPECT_THAT(entry, StartsWith("MESSAGE=promoted\nPRIORITY=6\nSYSLOG_IDENTIFIER="));
  EXPECT_THAT(entry, HasSubstr("\nNODE=db1\nDATA_DIRECTORY=/pg data\n"));
}

TEST(JournalEntry, TellsTheLengthOfAValueWithSeveralLines) {
  const std::string length("\x03\0\0\0\0\0\0\0", 8);
  EXPECT_THAT(FormatJournalEntry(3, "m", {{"error", "a\nb"}}),
              HasSubstr(absl::StrCat("\nERROR\n", length, "a\nb\n")));
}

TEST(JournalEntry, CannotReplaceWhatTheJournalItselfUses) {
  const std::string entry = FormatJournalEntry(
      6, "m", {{"priority", "0"}, {"_pid", "1"}, {"7", "x"}, {std::string(100, 'a'), "y"}});
  EXPECT_THAT(entry, HasSubstr("\nPGMAHOUT_PRIORITY=0\nPGMAHOUT__PID=1\nPGMAHOUT_7=x\n"));
  EXPECT_THAT(entry, HasSubstr(absl::StrCat("\n", std::string(64, 'A'), "=y\n")));
}

TEST(Journal, GetsTheEntry) {
  const testing::TemporaryDirectory directory;
  const Datagrams journald(directory.path() + "/socket");
  Journal journal(directory.path() + "/socket");
  EXPECT_EQ(journal.Send("MESSAGE=x\n"), Journal::Sent::kYes);
  EXPECT_EQ(journald.Next(), "MESSAGE=x\n");
}

TEST(Journal, IsNotWaitedForWhenItHangs) {
  const testing::TemporaryDirectory directory;
  const Datagrams journald(directory.path() + "/socket");
  Journal journal(directory.path() + "/socket");
  Journal::Sent sent = Journal::Sent::kYes;
  for (int i = 0; i < 5'000 && sent == Journal::Sent::kYes; ++i) {
    sent = journal.Send("MESSAGE=x\n");
  }
  EXPECT_EQ(sent, Journal::Sent::kLost);
}

TEST(Journal, ThatIsNotThereIsSaid) {
  Journal journal("/nonexistent/socket");
  EXPECT_EQ(journal.Send("MESSAGE=x\n"), Journal::Sent::kUnreachable);
}

TEST(StderrIsJournal, OnlyIfItIsTheVeryStreamThatSystemdNamed) {
  struct stat info {};

  ASSERT_EQ(fstat(STDERR_FILENO, &info), 0);
  EXPECT_TRUE(StderrIsJournal(absl::StrCat(info.st_dev, ":", info.st_ino)));
  EXPECT_FALSE(StderrIsJournal(absl::StrCat(info.st_dev, ":", info.st_ino + 1)));
  EXPECT_FALSE(StderrIsJournal(""));
}

}  // namespace
}  // namespace pgmahout
