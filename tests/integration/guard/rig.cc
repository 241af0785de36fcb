// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/guard/rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/guard/guard_lock.h"
#include "common/base/check.h"
#include "common/base/error.h"

namespace pgmahout::guard {
namespace {

using agent::Eventually;
using agent::Slurp;

constexpr auto kRenewal = std::chrono::milliseconds(50);
constexpr auto kPoll = std::chrono::milliseconds(2);
constexpr Duration kPatience{30'000};

pid_t Spawn(const std::vector<std::string>& arguments, const std::string& log_file) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  const int log = open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t pid = fork();
  PGM_CHECK(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(log);
  return pid;
}

std::string NameOfLog(const std::string& directory) {
  static int number = 0;
  return absl::StrCat(directory, "/guard-", ++number, ".log");
}

}  // namespace

GuardProcess::GuardProcess(const std::string& directory, const std::vector<std::string>& more)
    : log_file_(NameOfLog(directory)) {
  std::vector<std::string> arguments = {PGMAHOUT_GUARD_PROGRAM, "--order-file",
                                        directory + "/order", "--report-file",
                                        directory + "/report"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  pid_ = Spawn(arguments, log_file_);
  const BootTime deadline = SystemClock().Now() + kPatience;
  const std::string ready = "pgmahout-guard runs";
  while (!absl::StrContains(Log(), ready) && SystemClock().Now() < deadline) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      ended_ = true;
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      return;
    }
    std::this_thread::sleep_for(kPoll);
  }
}

GuardProcess::~GuardProcess() {
  if (testing::Test::HasFailure()) {
    std::printf("--- log of the guard\n%s---\n", Log().c_str());
  }
  if (!ended_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

bool GuardProcess::WaitForEnd() {
  int status = 0;
  if (!ended_ && Eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) {
    ended_ = true;
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return ended_;
}

std::string GuardProcess::Log() const {
  return Slurp(log_file_);
}

int64_t GuardProcess::CpuTicks() const {
  // proc(5): utime and stime are fields 14 and 15; the name in field 2 has no space.
  const std::vector<std::string> fields =
      absl::StrSplit(Slurp(absl::StrCat("/proc/", pid_, "/stat")), ' ');
  int64_t user = 0;
  int64_t system = 0;
  PGM_CHECK(fields.size() > 15 && absl::SimpleAtoi(fields[13], &user) &&
            absl::SimpleAtoi(fields[14], &system));
  return user + system;
}

int64_t GuardProcess::RssKilobytes() const {
  int64_t kilobytes = 0;
  for (const std::string& line : std::vector<std::string>(
           absl::StrSplit(Slurp(absl::StrCat("/proc/", pid_, "/status")), '\n'))) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() == 3 && words[0] == "VmRSS:") {
      PGM_CHECK(absl::SimpleAtoi(words[1], &kilobytes));
    }
  }
  return kilobytes;
}

Feeder::Feeder(const std::string& order_file, const std::string& data_directory, Duration ahead) {
  GuardFile file = GuardFile::Open(order_file).value();
  const auto renew = [&] {
    return file.Write({true, data_directory, "", SystemClock().Now() + ahead, 1}).ok();
  };
  PGM_CHECK(renew());  // armed when the constructor is done
  pid_ = fork();
  PGM_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (renew()) {
      std::this_thread::sleep_for(kRenewal);
    }
    _exit(1);
  }
}

Feeder::~Feeder() {
  KillHard();
}

void Feeder::Freeze() const {
  kill(pid_, SIGSTOP);
}

void Feeder::KillHard() {
  if (pid_ != 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
}

std::unique_ptr<agent::Site> GuardedServer::site_;
std::unique_ptr<agent::Node> GuardedServer::node_;

agent::Node& GuardedServer::db() {
  return *node_;
}

void GuardedServer::SetUpTestSuite() {
  site_ = std::make_unique<agent::Site>();
  node_ = std::make_unique<agent::Node>(*site_, "db1", "127.0.77.9");
  node_->Bootstrap();
}

void GuardedServer::TearDownTestSuite() {
  node_.reset();
  site_.reset();
}

void GuardedServer::SetUp() {
  const absl::Status started = db().Run(agent::StepKind::kStart);
  ASSERT_TRUE(started.ok()) << FormatError(started);
  ASSERT_TRUE(db().LookUntil([](const agent::Observation& seen) { return seen.sql.has_value(); })
                  .sql.has_value());
}

void GuardedServer::Order(bool armed, BootTime deadline) {
  const absl::Status written =
      GuardFile::Open(OrderFile())->Write({armed, Data(), "", deadline, 1});
  ASSERT_TRUE(written.ok()) << FormatError(written);
}

BootTime GuardedServer::WaitUntilGone() {
  const BootTime deadline = SystemClock().Now() + kPatience;
  while (Runs() && SystemClock().Now() < deadline) {
    std::this_thread::sleep_for(kPoll);
  }
  EXPECT_FALSE(Runs());
  return SystemClock().Now();
}

void GuardedServer::WaitUntil(BootTime time) {
  while (SystemClock().Now() < time) {
    std::this_thread::sleep_for(kPoll);
  }
}

GuardReport GuardedServer::ReportWhen(const std::function<bool(const GuardReport&)>& accept) const {
  GuardReport report;
  EXPECT_TRUE(Eventually([&] {
    absl::StatusOr<GuardReport> read = ReadGuardReport(ReportFile());
    report = read.ok() ? *read : GuardReport{};
    return read.ok() && accept(report);
  })) << "last problem: "
      << report.problem;
  return report;
}

GuardReport GuardedServer::ReportWhenClear() const {
  return ReportWhen([](const GuardReport& report) { return report.clear_at.has_value(); });
}

}  // namespace pgmahout::guard
