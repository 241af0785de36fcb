// SPDX-License-Identifier: Apache-2.0
// A job that goes on without who started it, and whose outcome the next one learns.
#include "common/base/lasting_job.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/unit/net/temporary_directory.h"

namespace pgmahout {
namespace {

using ::testing::HasSubstr;

class Job : public ::testing::Test {
 protected:
  ~Job() override { EXPECT_TRUE(LastingJob::End(path_).ok()); }

  // `script` runs under sh; $0 is the directory of this test.
  LastingCommand Shell(const std::string& script) const {
    LastingCommand command;
    command.argv = {"/bin/sh", "-c", script, directory_.path()};
    command.environment = {{"WHO", "us"}};
    command.path = path_;
    command.purpose = "1";
    return command;
  }

  static JobWatch Patiently() {
    JobWatch watch;
    watch.timeout = Duration{20'000};
    return watch;
  }

  static std::string OutputOf(const LastingJob& job) {
    std::string said;
    JobWatch watch = Patiently();
    watch.on_output = [&said](absl::string_view text) { said += std::string(text); };
    EXPECT_TRUE(job.Wait(std::move(watch)).ok());
    return said;
  }

  bool IsThere(const std::string& name) const {
    return access((directory_.path() + "/" + name).c_str(), F_OK) == 0;
  }

  template <typename Condition>
  static bool Eventually(Condition condition) {
    for (int i = 0; i < 2'000 && !condition(); ++i) {
      poll(nullptr, 0, 10);
    }
    return condition();
  }

  void AwaitFile(const std::string& name) const {
    ASSERT_TRUE(Eventually([&] { return IsThere(name); })) << name;
  }

  void LetGo() const { ASSERT_TRUE(WriteFileAtomically(directory_.path() + "/go", "", 0600).ok()); }

  const testing::TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/copy";
};

// Goes on until somebody makes the file "go".
constexpr char kUntilTold[] = "echo begun; touch $0/up; until [ -e $0/go ]; do sleep 0.01; done";

TEST_F(Job, TellsWhatItPrintsAndThatItSucceeded) {
  setenv("WHO", "somebody else", 1);
  const auto job = LastingJob::Start(Shell("echo $WHO; echo too >&2"));
  unsetenv("WHO");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(OutputOf(*job), "us\ntoo\n");
}

TEST_F(Job, ThatFailsTellsItsExitCodeAndTheEndOfItsLog) {
  const auto job = LastingJob::Start(Shell("echo no room; exit 3"));
  ASSERT_TRUE(job.ok());
  const absl::Status status = job->Wait(Patiently());
  EXPECT_THAT(std::string(status.message()), HasSubstr("exit code 3"));
  EXPECT_EQ(InfoOf(status).detail, "no room");
}

TEST_F(Job, OutlivesWhoStartedIt) {
  const LastingCommand command = Shell(kUntilTold);
  const pid_t starter = fork();
  if (starter == 0) {
    _exit(LastingJob::Start(command).ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(starter, &status, 0), starter);
  ASSERT_EQ(status, 0);
  AwaitFile("up");
  const auto job = LastingJob::Find(command);
  ASSERT_TRUE(job.has_value());
  LetGo();
  EXPECT_EQ(OutputOf(*job), "begun\n") << "what was said before is told, too";
}

TEST_F(Job, KeepsNothingOpenThatItWasNotGiven) {
  const int ours = open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  const auto job = LastingJob::Start(Shell("for f in /proc/$$/fd/*; do readlink $f; done; true"));
  close(ours);
  ASSERT_TRUE(job.ok());
  const std::string log = path_ + ".log\n";
  EXPECT_EQ(OutputOf(*job), "/dev/null\n" + log + log + path_ + ".job\n");
}

TEST_F(Job, ThatEndedWhileNobodyLookedIsFoundUntilItIsForgotten) {
  const LastingCommand command = Shell("exit 0");
  ASSERT_TRUE(LastingJob::Start(command).ok());
  ASSERT_TRUE(
      Eventually([&] { return absl::EndsWith(ReadFile(path_ + ".job").value_or(""), "\n0\n"); }));
  const auto job = LastingJob::Find(command);
  ASSERT_TRUE(job.has_value());
  EXPECT_TRUE(job->Wait(Patiently()).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(LastingJob::Start(command).status()));
  EXPECT_TRUE(LastingJob::End(path_).ok());
  EXPECT_FALSE(LastingJob::Find(command).has_value());
  EXPECT_FALSE(IsThere("copy.job") || IsThere("copy.log"));
}

TEST_F(Job, WhoseExitCodeIsHalfWrittenHasNotEnded) {
  const LastingCommand command = Shell("exit 0");
  const auto job = LastingJob::Start(command);
  ASSERT_TRUE(job.ok());
  ASSERT_TRUE(job->Wait(Patiently()).ok());
  const std::string record = *ReadFile(path_ + ".job");
  for (size_t length = 0; length < record.size(); ++length) {
    ASSERT_TRUE(WriteFileAtomically(path_ + ".job", record.substr(0, length), 0600).ok());
    EXPECT_FALSE(LastingJob::Find(command).has_value()) << length;
  }
}

TEST_F(Job, ForSomethingElseIsNotFoundAndKeepsItsPlace) {
  ASSERT_TRUE(LastingJob::Start(Shell(kUntilTold)).ok());
  LastingCommand other = Shell(kUntilTold);
  other.purpose = "2";
  EXPECT_FALSE(LastingJob::Find(other).has_value());
  EXPECT_TRUE(absl::IsAlreadyExists(LastingJob::Start(other).status()));
  EXPECT_TRUE(LastingJob::End(path_).ok());
  EXPECT_TRUE(LastingJob::Start(other).ok());
}

TEST_F(Job, IsEndedWithAllThatItStarted) {
  ASSERT_TRUE(LastingJob::Start(Shell("sh -c 'touch $0/child; sleep 600' $0 & wait")).ok());
  AwaitFile("child");
  EXPECT_TRUE(LastingJob::End(path_).ok()) << "what is left would still hold the lock";
  EXPECT_FALSE(IsThere("copy.job"));
}

TEST_F(Job, IsEndedWhenItIsCancelled) {
  const auto job = LastingJob::Start(Shell(kUntilTold));
  ASSERT_TRUE(job.ok());
  const std::atomic<bool> cancelled{true};
  JobWatch watch = Patiently();
  watch.cancelled = &cancelled;
  EXPECT_TRUE(absl::IsCancelled(job->Wait(std::move(watch))));
  EXPECT_FALSE(LastingJob::Find(Shell(kUntilTold)).has_value());
}

TEST_F(Job, IsEndedAtItsDeadline) {
  const auto job = LastingJob::Start(Shell(kUntilTold));
  ASSERT_TRUE(job.ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(job->Wait(JobWatch{})));
  EXPECT_FALSE(LastingJob::Find(Shell(kUntilTold)).has_value());
}

TEST_F(Job, EndsByItselfWhenNobodyWaitsForIt) {
  LastingCommand command = Shell(kUntilTold);
  command.patience = Duration{200};
  ASSERT_TRUE(LastingJob::Start(command).ok());
  EXPECT_TRUE(Eventually([&] { return !LastingJob::Find(command).has_value(); }));
}

TEST_F(Job, EndsByItselfWhenItsFilesAreRemoved) {
  ASSERT_TRUE(LastingJob::Start(Shell(kUntilTold)).ok());
  AwaitFile("up");
  const int file = open((path_ + ".job").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(unlink((path_ + ".job").c_str()), 0);
  EXPECT_TRUE(Eventually([&] { return flock(file, LOCK_SH | LOCK_NB) == 0; }));
  close(file);
}

TEST_F(Job, DoesNotEndByItselfWhileSomebodyWaits) {
  LastingCommand command = Shell("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done");
  command.patience = Duration{300};
  const auto job = LastingJob::Start(command);
  ASSERT_TRUE(job.ok());
  EXPECT_TRUE(job->Wait(Patiently()).ok());
}

TEST_F(Job, ThatWasKilledHasNotSucceeded) {
  const LastingCommand command = Shell("touch $0/up; kill -9 0");
  const auto job = LastingJob::Start(command);
  ASSERT_TRUE(job.ok());
  EXPECT_THAT(std::string(job->Wait(Patiently()).message()), HasSubstr("was killed"));
  EXPECT_FALSE(LastingJob::Find(command).has_value());
}

TEST_F(Job, ThatCannotBeExecutedIsNotStarted) {
  LastingCommand command = Shell("");
  command.argv = {"/nonexistent/program"};
  EXPECT_TRUE(absl::IsNotFound(LastingJob::Start(command).status()));
  EXPECT_FALSE(IsThere("copy.job"));
}

}  // namespace
}  // namespace pgmahout
