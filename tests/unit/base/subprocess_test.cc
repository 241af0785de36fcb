// SPDX-License-Identifier: Apache-2.0
// Programs run by argv, with a deadline that holds for everything they started.
#include "common/base/subprocess.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "common/base/error.h"

namespace pgmahout {
namespace {

Command Shell(const std::string& script) {
  Command command;
  command.argv = {"/bin/sh", "-c", script};
  return command;
}

// Waits until `pid` is gone or a zombie that init has not collected yet.
bool EndsSoon(pid_t pid) {
  for (int i = 0; i < 200; ++i) {
    if (kill(pid, 0) != 0) {
      return true;
    }
    Command look = Shell("grep -q 'State:.*[ZX]' /proc/" + std::to_string(pid) + "/status");
    if (RunCommand(std::move(look)).value().exit_code == 0) {
      return true;
    }
    usleep(10'000);
  }
  return false;
}

TEST(RunCommand, KeepsOutputErrorsAndExitCodeApart) {
  const auto result = RunCommand(Shell("echo out; echo err >&2; exit 3"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, "out\n");
  EXPECT_EQ(result->err, "err\n");
  EXPECT_EQ(result->exit_code, 3);
}

TEST(RunCommand, ArgumentsAreNotForAShell) {
  Command command;
  command.argv = {"/usr/bin/printf", "%s", "$HOME `id`; 'x' \"y\"\n*"};
  EXPECT_EQ(RunCommand(std::move(command)).value().out, "$HOME `id`; 'x' \"y\"\n*");
}

TEST(RunCommand, SignalIsToldAsTheShellDoes) {
  EXPECT_EQ(RunCommand(Shell("kill -TERM $$")).value().exit_code, 128 + SIGTERM);
}

TEST(RunCommand, MissingProgramIsNotFound) {
  Command command;
  command.argv = {"/nonexistent/pg_ctl"};
  const absl::Status status = RunCommand(std::move(command)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "cannot execute \"/nonexistent/pg_ctl\": No such file or directory");
}

TEST(RunCommand, FileThatIsNoProgramIsAnErrorToo) {
  Command command;
  command.argv = {"/etc/passwd"};
  EXPECT_EQ(RunCommand(std::move(command)).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(RunCommand, MissingDirectoryIsAnError) {
  Command command = Shell("pwd");
  command.directory = "/nonexistent";
  EXPECT_FALSE(RunCommand(std::move(command)).ok());
  command = Shell("pwd");
  command.directory = "/usr";
  EXPECT_EQ(RunCommand(std::move(command)).value().out, "/usr\n");
}

TEST(RunCommand, TimeoutKillsTheWholeGroup) {
  // The grandchild keeps the pipes open: waiting for end of file alone would take a minute.
  std::string pid_text;
  Command command = Shell("sleep 60 & echo $! >&2; wait");
  command.timeout = Duration{500};
  command.on_stderr = [&pid_text](absl::string_view text) {
    pid_text.append(text.data(), text.size());
  };
  const BootTime start = SystemClock().Now();
  const absl::Status status = RunCommand(std::move(command)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(status.message(), "\"/bin/sh\" did not end within 500 ms");
  EXPECT_LT(SystemClock().Now() - start, Duration{10'000});
  pid_t grandchild = 0;
  ASSERT_TRUE(absl::SimpleAtoi(pid_text, &grandchild)) << pid_text;
  EXPECT_TRUE(EndsSoon(grandchild));
}

TEST(RunCommand, IsCancelledFromAnotherThread) {
  std::atomic<bool> cancelled = false;
  Command command = Shell("echo started >&2; exec sleep 60");
  command.cancelled = &cancelled;
  command.on_stderr = [&cancelled](absl::string_view) { cancelled = true; };
  EXPECT_EQ(RunCommand(std::move(command)).status().code(), absl::StatusCode::kCancelled);
}

TEST(RunCommand, KeepsTheLastMebibyteOfOutput) {
  const auto result = RunCommand(Shell("head -c 3000000 /dev/zero | tr '\\0' x; echo the end"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out.size(), size_t{1} << 20);
  EXPECT_EQ(result->out.substr(result->out.size() - 8), "the end\n");
}

TEST(RunCommand, ProgressIsToldWhileItRuns) {
  std::string seen;
  Command command = Shell("echo 10% >&2; echo 20% >&2");
  command.on_stderr = [&seen](absl::string_view text) { seen.append(text.data(), text.size()); };
  ASSERT_TRUE(RunCommand(std::move(command)).ok());
  EXPECT_EQ(seen, "10%\n20%\n");
}

TEST(RunCommand, StandardInputIsEmpty) {
  EXPECT_EQ(RunCommand(Shell("cat; echo done")).value().out, "done\n");
}

TEST(RunCommand, EnvironmentIsAddedAndWinsOverTheInheritedOne) {
  ASSERT_EQ(setenv("PGM_TEST_INHERITED", "theirs", 1), 0);
  Command command;
  command.argv = {"/usr/bin/env"};
  command.environment = {{"PGM_TEST_INHERITED", "ours"}, {"PGM_TEST_ADDED", "x y"}};
  const std::string out = RunCommand(std::move(command)).value().out;
  unsetenv("PGM_TEST_INHERITED");
  EXPECT_NE(out.find("PGM_TEST_ADDED=x y\n"), std::string::npos);
  EXPECT_NE(out.find("PGM_TEST_INHERITED=ours\n"), std::string::npos);
  EXPECT_EQ(out.find("PGM_TEST_INHERITED=theirs"), std::string::npos) << "getenv() finds the first";
}

TEST(RunCommandOrFail, CarriesTheTailOfStandardError) {
  const absl::Status status =
      RunCommandOrFail(
          Shell("head -c 5000 /dev/zero | tr '\\0' x >&2; echo ' fatal: no' >&2; exit 2"))
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(status.message(), "\"/bin/sh\" ended with exit code 2");
  const ErrorInfo info = InfoOf(status);
  EXPECT_EQ(info.reason, "command-failed");
  EXPECT_LE(info.detail.size(), 2'000U);
  EXPECT_EQ(info.detail.substr(info.detail.size() - 9), "fatal: no");
}

TEST(RunCommandOrFail, PassesSuccessOn) {
  EXPECT_EQ(RunCommandOrFail(Shell("echo fine")).value().out, "fine\n");
}

}  // namespace
}  // namespace pgmahout
