// SPDX-License-Identifier: Apache-2.0
// kill -9 of the real pgmahout-wal at random moments: under a promised name there is either no
// file or the whole one, and the next attempt always succeeds.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/wal/archive.h"
#include "common/base/subprocess.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/wal/segment.h"

namespace pgmahout::wal {
namespace {

namespace fs = std::filesystem;
using std::chrono::duration;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Milliseconds = duration<double, std::milli>;

constexpr SegmentSpec kSegment{.bytes = 16 * kMebibyte};
constexpr uint32_t kSeed = 20;
constexpr int kRoundsMax = 500;  // some kills come too late; rounds go on until enough hit

std::vector<std::string> Hidden(const std::string& directory) {
  std::vector<std::string> names = ListDirectory(directory);
  names.erase(std::remove_if(names.begin(), names.end(),
                             [](const std::string& name) { return name[0] != '.'; }),
              names.end());
  return names;
}

// Starts `argv`, calls `wait_for_the_moment` with its pid, then kills it. True if the kill hit it,
// false if it had succeeded by then.
bool RunAndKill(const std::vector<std::string>& argv,
                const std::function<void(pid_t)>& wait_for_the_moment) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  wait_for_the_moment(pid);
  kill(pid, SIGKILL);  // not reaped yet, so the pid is still ours
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << "it failed by itself";
  return WIFSIGNALED(status);
}

// Returns when `path` exists, or when the process has ended.
void AwaitName(pid_t pid, const std::string& path) {
  siginfo_t ended{};
  while (access(path.c_str(), F_OK) != 0 && ended.si_pid == 0) {
    waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT);
  }
}

// The moments of the kills. Most are random, in a range that grows after a kill that came before
// the name and shrinks after one that came too late, so that they hit both sides however fast the
// machine is just now. Every fourth is right after the name appeared: little time is left then.
class Moments {
 public:
  explicit Moments(std::string name) : name_(std::move(name)) {}

  void Await(pid_t pid) {
    is_random_ = ++count_ % 4 != 0;
    if (is_random_) {
      std::this_thread::sleep_for(
          Milliseconds(std::uniform_real_distribution<double>(0, range_ms_)(random_)));
    } else {
      AwaitName(pid, name_);
    }
  }

  void Learn(bool name_is_there) {
    if (is_random_) {
      range_ms_ *= name_is_there ? 0.85 : 1.12;
    }
  }

 private:
  std::string name_;
  std::mt19937 random_{kSeed};
  double range_ms_ = 100;
  int count_ = 0;
  bool is_random_ = true;
};

// What the kills met.
struct Hits {
  int nothing = 0;   // before it created a file
  int half = 0;      // a temporary file, no name yet
  int named = 0;     // after the name appeared, before the process ended
  int too_late = 0;  // the process had succeeded

  int killed() const { return nothing + half + named; }
};

void Count(bool killed, bool name_is_there, bool temporary_is_there, Hits& hits) {
  if (!killed) {
    ++hits.too_late;
  } else if (name_is_there) {
    ++hits.named;
  } else {
    ++(temporary_is_there ? hits.half : hits.nothing);
  }
}

void ExpectBothSides(const Hits& hits) {
  std::printf("%d killed: %d before any file, %d in the middle, %d after the name; %d too late\n",
              hits.killed(), hits.nothing, hits.half, hits.named, hits.too_late);
  EXPECT_GE(hits.half, 5) << "hardly any kill came while it was copying";
  EXPECT_GE(hits.named + hits.too_late, 5) << "hardly any kill came after the name appeared";
}

class KillTest : public testing::Test {
 protected:
  // Runs the command to its end and returns its exit code.
  static int Finish(const std::vector<std::string>& argv) {
    Command command;
    command.argv = argv;
    const absl::StatusOr<CommandResult> result = RunCommand(std::move(command));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->exit_code : -1;
  }

  std::vector<std::string> PushCommand(const std::string& source) const {
    return {PGMAHOUT_WAL_PROGRAM, "archive-push", "--directory", archive_, source};
  }

  const ScratchDirectory scratch_;
  const std::string archive_ = scratch_.Make("archive");
  const std::string pg_wal_ = scratch_.Make("pg_wal");
  const std::string source_ = WriteSegment(pg_wal_, kSegment);
  const std::string content_ = MakeSegment(kSegment);
  const std::string archived_ = absl::StrCat(archive_, "/", NameOf(kSegment));
};

TEST_F(KillTest, AKilledPushLeavesNoHalfFileUnderItsNameAndIsRepeated) {
  Moments moments(archived_);
  Hits hits;
  for (int round = 0; round < kRoundsMax && hits.killed() < 100; ++round) {
    SCOPED_TRACE(round);
    const bool killed =
        RunAndKill(PushCommand(source_), [&moments](pid_t pid) { moments.Await(pid); });
    const bool name_is_there = fs::exists(archived_);
    Count(killed, name_is_there, !Hidden(archive_).empty(), hits);
    moments.Learn(name_is_there);
    if (name_is_there) {
      ASSERT_TRUE(ReadWhole(archived_) == content_) << "half a segment under its final name";
    }
    ASSERT_EQ(Finish(PushCommand(source_)), 0);
    ASSERT_TRUE(ReadWhole(archived_) == content_);
    if (!name_is_there) {
      ASSERT_THAT(Hidden(archive_), IsEmpty()) << "a push that copies removes what is left over";
    }
    fs::remove(archived_);
  }
  EXPECT_EQ(hits.killed(), 100);
  ExpectBothSides(hits);
  EXPECT_TRUE(ReadWhole(source_) == content_) << "the source is PostgreSQL's";
  const SegmentSpec next{.segment = kSegment.segment + 1, .bytes = kSegment.bytes};
  ASSERT_EQ(Finish(PushCommand(WriteSegment(pg_wal_, next))), 0);
  EXPECT_THAT(ListDirectory(archive_), ElementsAre(NameOf(next))) << "no leftover survives";
}

TEST_F(KillTest, AKilledGetDeliversAllOrNothingAndIsRepeated) {
  ASSERT_TRUE(Push(archive_, source_).ok());
  const std::string directory = scratch_.Make("restored");
  const std::string restored = directory + "/RECOVERYXLOG";
  const std::vector<std::string> get = {
      PGMAHOUT_WAL_PROGRAM, "archive-get", "--directory", archive_, NameOf(kSegment), restored};
  Moments moments(restored);
  Hits hits;
  for (int round = 0; round < kRoundsMax && hits.killed() < 40; ++round) {
    SCOPED_TRACE(round);
    const bool killed = RunAndKill(get, [&moments](pid_t pid) { moments.Await(pid); });
    const bool name_is_there = fs::exists(restored);
    Count(killed, name_is_there, !ListDirectory(directory).empty(), hits);
    moments.Learn(name_is_there);
    if (name_is_there) {
      ASSERT_TRUE(ReadWhole(restored) == content_) << "half a segment delivered";
      fs::remove(restored);
    }
    ASSERT_EQ(Finish(get), 0);
    ASSERT_TRUE(ReadWhole(restored) == content_);
    ASSERT_THAT(ListDirectory(directory), ElementsAre("RECOVERYXLOG"));
    fs::remove(restored);
  }
  EXPECT_EQ(hits.killed(), 40);
  ExpectBothSides(hits);
}

}  // namespace
}  // namespace pgmahout::wal
