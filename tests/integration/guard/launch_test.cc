// SPDX-License-Identifier: Apache-2.0
// A guard that the agent starts survives the agent and has nothing of it.
#include "agent/guard/launch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/guard/guard_lock.h"
#include "agent/postgres/process_control.h"
#include "common/base/error.h"
#include "tests/integration/guard/rig.h"

namespace pgmahout::guard {
namespace {

class Launching : public testing::Test {
 protected:
  ~Launching() override {
    if (const pid_t pid = GuardPid(); GuardIsAlive(order_)) {
      kill(pid, SIGKILL);
      agent::WaitForEnd(pid, Duration{10'000});
    }
  }

  absl::Status Ensure(const std::string& program = PGMAHOUT_GUARD_PROGRAM) {
    return EnsureGuardRuns(program, order_, files_.path() + "/report", log_);
  }

  // The lock file names the guard that holds it.
  pid_t GuardPid() const {
    pid_t pid = 0;
    return absl::SimpleAtoi(agent::Slurp(order_ + ".lock"), &pid) ? pid : 0;
  }

  agent::Site files_;
  const std::string order_ = files_.path() + "/order";
  const std::string log_ = files_.path() + "/guard.log";
};

TEST_F(Launching, StartsOneGuardAndNoSecond) {
  ASSERT_FALSE(GuardIsAlive(order_));
  const absl::Status first = Ensure();
  ASSERT_TRUE(first.ok()) << FormatError(first);
  EXPECT_TRUE(GuardIsAlive(order_));
  const pid_t pid = GuardPid();
  ASSERT_TRUE(Ensure().ok());
  EXPECT_EQ(GuardPid(), pid);
  kill(pid, SIGKILL);
  ASSERT_TRUE(agent::WaitForEnd(pid, Duration{10'000}));
  ASSERT_TRUE(Ensure().ok()) << "a dead guard is replaced";
  EXPECT_NE(GuardPid(), pid);
}

TEST_F(Launching, GuardSurvivesWhoStartedIt) {
  const pid_t agent_process = fork();
  if (agent_process == 0) {
    _exit(Ensure().ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(agent_process, &status, 0), agent_process);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(GuardIsAlive(order_));
}

TEST_F(Launching, GuardHasNothingOfWhoStartedIt) {
  const std::string secret = files_.path() + "/agents-own";
  const int fd = open(secret.c_str(), O_RDWR | O_CREAT, 0600);  // inheritable on purpose
  setenv("NOTIFY_SOCKET", "/nonexistent/agents-own", 1);
  const absl::Status started = Ensure();
  unsetenv("NOTIFY_SOCKET");
  close(fd);
  ASSERT_TRUE(started.ok()) << FormatError(started);
  const std::string proc = absl::StrCat("/proc/", GuardPid());
  EXPECT_NE(getsid(GuardPid()), getsid(0)) << "it must not die with the agent's terminal";
  EXPECT_EQ(agent::Slurp(proc + "/environ"), "");
  EXPECT_EQ(std::filesystem::read_symlink(proc + "/cwd"), "/");
  for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd")) {
    const std::string target = std::filesystem::read_symlink(entry.path()).string();
    EXPECT_NE(target, secret);
    EXPECT_FALSE(absl::StartsWith(target, "pipe:")) << target;
  }
  EXPECT_TRUE(absl::StrContains(agent::Slurp(log_), "pgmahout-guard runs"));
}

TEST_F(Launching, SaysWhyItCannotStart) {
  const absl::Status missing = Ensure("/nonexistent/pgmahout-guard");
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  const absl::Status ends = Ensure("/bin/false");
  EXPECT_TRUE(absl::IsFailedPrecondition(ends)) << ends;
  EXPECT_TRUE(absl::StrContains(InfoOf(ends).hint, log_)) << InfoOf(ends).hint;
  EXPECT_FALSE(GuardIsAlive(order_));
}

TEST_F(Launching, LeavesNoZombie) {
  const pid_t agent_process = fork();
  if (agent_process == 0) {
    const bool started = Ensure().ok();
    _exit(started && waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(agent_process, &status, 0), agent_process);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace pgmahout::guard
