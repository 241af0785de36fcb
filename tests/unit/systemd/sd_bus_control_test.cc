// SPDX-License-Identifier: Apache-2.0
// Control through systemd: the right calls, the right job, clear refusals.
#include "agent/systemd/sd_bus_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/base/error.h"
#include "tests/unit/systemd/fake_systemd.h"

namespace pgmahout::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kUnit[] = "postgresql@14-main.service";
const ServerPaths kNowhere{"", "/nonexistent/pgdata", ""};

// A process that waits in a directory of its own, which has the lock file of a postmaster.
class ServerStandIn {
 public:
  explicit ServerStandIn(const std::string& status) {
    std::string name = testing::TempDir() + "/pgmahout-server-XXXXXX";
    directory_ = mkdtemp(name.data());
    pid_ = fork();
    if (pid_ == 0) {
      if (chdir(directory_.c_str()) == 0) {
        pause();
      }
      _exit(1);
    }
    while (FindServerProcesses(directory_).empty()) {
      sched_yield();
    }
    std::ofstream(directory_ + "/postmaster.pid") << pid_ << "\n"
                                                  << directory_ << "\n0\n5432\n/run\n*\n0\n"
                                                  << status << "   \n";
  }

  ~ServerStandIn() {
    if (pid_ != 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    std::filesystem::remove_all(directory_);
  }

  ServerStandIn(const ServerStandIn&) = delete;
  ServerStandIn& operator=(const ServerStandIn&) = delete;

  ServerPaths paths() const { return ServerPaths{"", directory_, ""}; }

  // The signal that ended it.
  int WaitForEndSignal() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

 private:
  std::string directory_;
  pid_t pid_ = 0;
};

TEST(SystemdControl, SubscribesBeforeItStartsAndWaitsForItsOwnJob) {
  FakeSystemd systemd(FakeSystemd::Start::kDone);
  const auto control = MakeSystemdControl(kUnit, systemd.Opener());
  EXPECT_TRUE(control->Start(kNowhere).ok());
  EXPECT_THAT(systemd.Calls(),
              ElementsAre("Subscribe", "StartUnit postgresql@14-main.service replace"));
}

// What postgresql@.service does: the server answers, pg_ctlcluster goes on.
TEST(SystemdControl, GoesOnAsSoonAsTheServerAnswers) {
  FakeSystemd systemd(FakeSystemd::Start::kGoesOn);
  const ServerStandIn server("ready");
  EXPECT_TRUE(MakeSystemdControl(kUnit, systemd.Opener())->Start(server.paths()).ok());
}

// A stop by systemd would be a SIGTERM to every process while the start is not over.
TEST(SystemdControl, StopsAServerThatHasJustStartedByAFastShutdown) {
  FakeSystemd systemd(FakeSystemd::Start::kGoesOn);
  ServerStandIn server("ready");
  const auto control = MakeSystemdControl(kUnit, systemd.Opener());
  ASSERT_TRUE(control->Start(server.paths()).ok());
  EXPECT_TRUE(control->RequestStop(server.paths()).ok());
  EXPECT_EQ(server.WaitForEndSignal(), SIGINT);
  EXPECT_THAT(systemd.Calls(), testing::Not(testing::Contains(HasSubstr("StopUnit"))));
}

TEST(SystemdControl, InstallsByAUnitOfItsOwn) {
  FakeSystemd systemd(FakeSystemd::Start::kDone);
  EXPECT_TRUE(MakeSystemdControl(kUnit, systemd.Opener())->InstallServer(14).ok());
  EXPECT_THAT(systemd.Calls(),
              ElementsAre("Subscribe", "StartUnit pgmahout-install@14.service replace"));
}

TEST(SystemdControl, TellsWhereToLookWhenTheInstallationFails) {
  FakeSystemd systemd(FakeSystemd::Start::kFailed);
  const absl::Status status = MakeSystemdControl(kUnit, systemd.Opener())->InstallServer(14);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(InfoOf(status).hint, HasSubstr("journalctl -u pgmahout-install@14.service"));
}

TEST(SystemdControl, TakesASignalThatComesBeforeTheReply) {
  FakeSystemd systemd(FakeSystemd::Start::kSignalBeforeReply);
  EXPECT_TRUE(MakeSystemdControl(kUnit, systemd.Opener())->Start(kNowhere).ok());
}

TEST(SystemdControl, TellsWhereToLookWhenTheUnitDoesNotStart) {
  FakeSystemd systemd(FakeSystemd::Start::kFailed);
  const absl::Status status = MakeSystemdControl(kUnit, systemd.Opener())->Start(kNowhere);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(InfoOf(status).hint, HasSubstr("journalctl -u postgresql@14-main.service"));
}

TEST(SystemdControl, NamesTheMissingPolkitRule) {
  FakeSystemd systemd(FakeSystemd::Start::kAccessDenied);
  const absl::Status status = MakeSystemdControl(kUnit, systemd.Opener())->Start(kNowhere);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(InfoOf(status).hint, HasSubstr("polkit"));
}

TEST(SystemdControl, StopsAndKillsTheWholeUnit) {
  FakeSystemd systemd(FakeSystemd::Start::kDone);
  const auto control = MakeSystemdControl(kUnit, systemd.Opener());
  EXPECT_TRUE(control->RequestStop(kNowhere).ok());
  EXPECT_TRUE(control->Kill(kNowhere, Duration{1'000}).ok());
  EXPECT_THAT(systemd.Calls(), ElementsAre("StopUnit postgresql@14-main.service replace",
                                           "KillUnit postgresql@14-main.service all 9",
                                           // so that the unit is not restarted
                                           "StopUnit postgresql@14-main.service replace"));
}

TEST(SystemdControl, SaysWhatToUseWhereThereIsNoSystemd) {
  const auto control = MakeSystemdControl(kUnit, [](sd_bus**) { return -ENOENT; });
  const absl::Status status = control->Start(kNowhere);
  EXPECT_THAT(InfoOf(status).hint, HasSubstr("postgres.control: direct"));
}

}  // namespace
}  // namespace pgmahout::agent
