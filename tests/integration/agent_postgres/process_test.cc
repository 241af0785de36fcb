// SPDX-License-Identifier: Apache-2.0
// Starting, stopping, killing and finding the processes of a server.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/integration/agent_postgres/node.h"

namespace pgmahout::agent {
namespace {

class Processes : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(db1.Bootstrap()); }

  Site site;
  Node db1{site, "db1", "127.0.77.1"};
};

TEST_F(Processes, RestartedAgentFindsTheServerAndStopsIt) {
  const pid_t before = db1.Postmaster();
  db1.RestartAgent();
  const Observation seen = db1.Look();
  EXPECT_EQ(seen.server, ServerState::kRunning);
  EXPECT_EQ(db1.Postmaster(), before);
  EXPECT_TRUE(db1.Run(StepKind::kStart).ok()) << "starting what runs already is no error";
  EXPECT_EQ(db1.Postmaster(), before);
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());
  EXPECT_TRUE(db1.Processes().empty());
}

// Left by a server that was killed as it began, or by a loss of power.
TEST_F(Processes, EmptyLockFilesDoNotKeepTheServerDown) {
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());
  const std::string socket_lock =
      absl::StrCat(db1.DataRoot(), "/run/.s.PGSQL.", db1.AsMember().port, ".lock");
  for (const std::string& file : {db1.DataDirectory() + "/postmaster.pid", socket_lock}) {
    ASSERT_TRUE(WriteFileAtomically(file, "", 0600).ok());
  }
  const absl::Status started = db1.Run(StepKind::kStart);
  ASSERT_TRUE(started.ok()) << FormatError(started);
  EXPECT_EQ(db1.Value("SELECT 1"), "1");
}

TEST_F(Processes, ServerHoldsNoFileOfTheAgent) {
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());
  const std::string secret = site.path() + "/agents-own";
  const int fd = open(secret.c_str(), O_RDWR | O_CREAT, 0600);  // inheritable on purpose
  ASSERT_TRUE(db1.Run(StepKind::kStart).ok());
  close(fd);
  const pid_t postmaster = db1.Postmaster();
  ASSERT_NE(postmaster, 0);
  EXPECT_EQ(getsid(postmaster), postmaster) << "it must not die with the agent's terminal";
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", postmaster, "/fd"))) {
    std::error_code ignored;
    EXPECT_NE(std::filesystem::read_symlink(entry.path(), ignored).string(), secret);
  }
}

TEST_F(Processes, HungServerIsSeenAsHungUntilItAnswersAgain) {
  const pid_t postmaster = db1.Postmaster();
  ASSERT_EQ(kill(postmaster, SIGSTOP), 0);
  const BootTime stopped = SystemClock().Now();
  const Observation first = db1.LookUntil(
      [](const Observation& seen) { return seen.server != ServerState::kRunning; }, Duration{200});
  const Observation second = db1.Look(Duration{200});
  ASSERT_EQ(kill(postmaster, SIGCONT), 0);

  EXPECT_EQ(first.server, ServerState::kHung);
  EXPECT_LT((first.unresponsive_since.value_or(BootTime{}) - stopped).count(), 2'000)
      << "an open connection may hide it for half a second";
  EXPECT_TRUE(first.postmaster_alive);
  EXPECT_FALSE(first.sql.has_value());
  ASSERT_TRUE(first.unresponsive_since.has_value());
  EXPECT_EQ(second.unresponsive_since, first.unresponsive_since);
  const Observation later =
      db1.LookUntil([](const Observation& seen) { return seen.server == ServerState::kRunning; });
  EXPECT_FALSE(later.unresponsive_since.has_value());
}

// The agent's connections besides the one that asks.
constexpr char kOwnSessions[] =
    "SELECT coalesce(max(pid), 0) FROM pg_stat_activity "
    "WHERE application_name = 'pgmahout-agent' AND pid <> pg_backend_pid()";

TEST_F(Processes, QuickLooksShareAConnectionAndSlowOnesDoNot) {
  EXPECT_TRUE(Eventually([&] {
    db1.Look();
    db1.Look();
    const std::string kept = db1.Value(kOwnSessions);
    db1.Look();
    return kept != "0" && db1.Value(kOwnSessions) == kept;
  }));
  EXPECT_TRUE(Eventually([&] {
    db1.instance().WaitForPostmasterEnd(Duration{100});  // as an agent does between slow looks
    db1.Look();
    return db1.Value(kOwnSessions) == "0";
  }));
}

TEST_F(Processes, SharedConnectionThatIsCutIsReplaced) {
  EXPECT_TRUE(Eventually([&] {
    db1.Look();
    db1.Look();
    return db1.Value(kOwnSessions) != "0";
  }));
  db1.Sql(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
      "WHERE application_name = 'pgmahout-agent' AND pid <> pg_backend_pid()");
  EXPECT_EQ(db1.Look().server, ServerState::kRunning);
}

TEST_F(Processes, SharedConnectionDoesNotHoldUpASmartShutdown) {
  EXPECT_TRUE(Eventually([&] {
    db1.Look();
    db1.Look();
    return db1.Value(kOwnSessions) != "0";
  }));
  kill(db1.Postmaster(), SIGTERM);
  db1.LookUntil([](const Observation& seen) { return seen.server == ServerState::kStopped; });
}

TEST_F(Processes, ServerThatStopsIsNotAskedAgainAndAgain) {
  const pid_t checkpointer = db1.ProcessNamed("checkpointer");
  kill(checkpointer, SIGSTOP);
  kill(db1.Postmaster(), SIGINT);
  db1.LookUntil([](const Observation& seen) { return seen.server == ServerState::kStopping; });
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(db1.Look().server, ServerState::kStopping);
  }
  kill(checkpointer, SIGCONT);
  // The server's logger outlives its postmaster for a moment, and is an orphan until then.
  const Observation stopped = db1.LookUntil([](const Observation& seen) {
    return seen.server == ServerState::kStopped && seen.data.control.has_value();
  });
  EXPECT_TRUE(stopped.data.control.has_value() && stopped.data.control->state == "shut down");
  std::string log;
  for (const auto& file : std::filesystem::directory_iterator(db1.DataRoot() + "/log")) {
    absl::StrAppend(&log, Slurp(file.path()));
  }
  const std::vector<std::string> attempts =
      absl::StrSplit(log, "FATAL:  the database system is shutting down");
  EXPECT_LE(attempts.size(), 2U) << "one may come before the lock file says so\n" << log;
}

TEST_F(Processes, KilledPostmasterIsNoticedWithinAHundredMilliseconds) {
  EXPECT_FALSE(db1.instance().WaitForPostmasterEnd(Duration{20}));
  std::atomic<int64_t> noticed{0};
  std::thread watcher([&] {
    EXPECT_TRUE(db1.instance().WaitForPostmasterEnd(Duration{20'000}));
    noticed = SystemClock().Now().milliseconds();
  });
  const BootTime start = SystemClock().Now();
  kill(db1.Postmaster(), SIGKILL);
  watcher.join();
  const int64_t delay = noticed - start.milliseconds();
  std::printf("figure: dead postmaster noticed after %d ms\n", static_cast<int>(delay));
  EXPECT_LT(delay, 100);
}

TEST_F(Processes, OrphansAreSeenAndKilled) {
  // A stopped child does not notice that its postmaster is gone.
  const pid_t child = db1.ProcessNamed("checkpointer");
  ASSERT_NE(child, 0);
  kill(child, SIGSTOP);
  const pid_t postmaster = db1.Postmaster();
  kill(postmaster, SIGKILL);
  const Observation seen =
      db1.LookUntil([](const Observation& now) { return !now.postmaster_alive; });
  EXPECT_TRUE(seen.orphans);
  EXPECT_EQ(seen.server, ServerState::kStopped);
  ASSERT_TRUE(db1.instance().Kill(Duration{5'000}).ok());
  EXPECT_TRUE(db1.Processes().empty());
  EXPECT_FALSE(db1.Look().orphans);
  // And it starts again, with crash recovery.
  ASSERT_TRUE(db1.Run(StepKind::kStart).ok());
  EXPECT_TRUE(db1.LookUntil([](const Observation& now) { return now.sql.has_value(); }).sql);
}

TEST_F(Processes, KillLeavesNoProcessNotEvenOfASession) {
  std::thread session([&] {
    const BootTime deadline = SystemClock().Now() + Duration{20'000};
    auto opened = Session::Open(db1.DataRoot() + "/run", db1.AsMember().port, "postgres", deadline);
    ASSERT_TRUE(opened.ok());
    EXPECT_FALSE(opened->Query("SELECT pg_sleep(60)", deadline).ok());
  });
  EXPECT_TRUE(Eventually([&] { return db1.ProcessNamed("SELECT") != 0; }));
  EXPECT_TRUE(db1.Run(StepKind::kKill).ok());
  EXPECT_TRUE(db1.Processes().empty());
  session.join();
}

TEST_F(Processes, FastStopKillsWhatDoesNotEnd) {
  kill(db1.ProcessNamed("checkpointer"), SIGSTOP);
  Step step = db1.NewStep(StepKind::kStopFast);
  step.kill_after = Duration{500};
  const BootTime start = SystemClock().Now();
  ASSERT_TRUE(db1.Run(step).ok());
  EXPECT_TRUE(db1.Processes().empty());
  EXPECT_GE((SystemClock().Now() - start).count(), 500);
}

TEST_F(Processes, KillCutsAFastStopShort) {
  kill(db1.ProcessNamed("checkpointer"), SIGSTOP);
  Step step = db1.NewStep(StepKind::kStopFast);
  step.kill_after = Duration{25'000};
  const BootTime start = SystemClock().Now();
  std::thread stopping([&] { (void)db1.Run(step); });
  EXPECT_TRUE(Eventually([&] { return db1.ProcessNamed("background writer") == 0; }));
  EXPECT_TRUE(db1.instance().Kill(Duration{5'000}).ok());
  stopping.join();
  EXPECT_LT((SystemClock().Now() - start).count(), 20'000);
  EXPECT_TRUE(db1.Processes().empty());
}

TEST_F(Processes, CancelEndsAStepThatWaitsForSql) {
  // A superuser's lock on the catalog of roles makes the step wait.
  const BootTime deadline = SystemClock().Now() + Duration{60'000};
  auto blocker = Session::Open(db1.DataRoot() + "/run", db1.AsMember().port, "postgres", deadline);
  ASSERT_TRUE(blocker.ok());
  ASSERT_TRUE(blocker->Query("BEGIN; LOCK TABLE pg_authid IN SHARE MODE", deadline).ok());
  absl::Status status;
  std::thread step([&] { status = db1.Run(StepKind::kEnsureRoles); });
  EXPECT_TRUE(Eventually([&] { return db1.ProcessNamed("CREATE ROLE") != 0; }));
  const BootTime start = SystemClock().Now();
  db1.instance().CancelStep();
  step.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_LT((SystemClock().Now() - start).count(), 2'000);
}

TEST_F(Processes, BusyPortIsNamedInTheError) {
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  inet_pton(AF_INET, "127.0.77.1", &name.sin_addr);
  name.sin_port = htons(db1.AsMember().port);
  const int reuse = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(listen(fd, 1), 0);

  const absl::Status status = db1.Run(StepKind::kStart);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_TRUE(absl::StrContains(InfoOf(status).detail, "Address already in use"))
      << FormatError(status);
  EXPECT_TRUE(absl::StrContains(InfoOf(status).detail, absl::StrCat(db1.AsMember().port)))
      << FormatError(status);
  close(fd);
  EXPECT_TRUE(db1.Run(StepKind::kStart).ok()) << "it goes on once the cause is gone";
}

}  // namespace
}  // namespace pgmahout::agent
