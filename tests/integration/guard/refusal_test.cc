// SPDX-License-Identifier: Apache-2.0
// The guard kills nothing but the server that a sound order names, and only one guard does.
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/guard/guard_lock.h"
#include "common/base/durable_file.h"
#include "tests/integration/guard/rig.h"
#include "tests/unit/agent_postgres/child.h"

namespace pgmahout::guard {
namespace {

class Refusal : public GuardedServer {
 protected:
  // Past its deadline for `data_directory`; GuardFile would refuse to write some of these.
  void PutPassed(const std::string& data_directory) {
    const GuardOrder order{true, data_directory, "", SystemClock().Now() - Duration{1}, 1};
    ASSERT_TRUE(WriteFileAtomically(OrderFile(), EncodeGuardOrder(order, BootId()), 0600).ok());
  }
};

TEST_F(Refusal, WrongDataDirectoryIsSaidAndNothingIsKilled) {
  const agent::TemporaryDirectory no_server;
  const agent::Child bystander(no_server.path());
  const GuardProcess guard(files_.path());
  for (const std::string& directory : {std::string("/"), std::string("pgdata"), std::string(),
                                       std::string("/nonexistent/pgdata"), no_server.path()}) {
    PutPassed(directory);
    const GuardReport report = ReportWhen(
        [&](const GuardReport& r) { return r.data_directory == directory && !r.problem.empty(); });
    EXPECT_TRUE(absl::StrContains(report.problem, absl::StrCat("cannot guard \"", directory, "\"")))
        << report.problem;
    EXPECT_EQ(report.killed, 0U);
  }
  EXPECT_TRUE(Runs());
  EXPECT_EQ(kill(bystander.pid(), 0), 0);
  EXPECT_EQ(db().Value("SELECT 1"), "1");
  EXPECT_TRUE(absl::StrContains(guard.Log(), "no PG_VERSION in it")) << guard.Log();
}

TEST_F(Refusal, SecondGuardLeavesTheFirstOneAlone) {
  const GuardProcess first(files_.path());
  EXPECT_TRUE(GuardIsAlive(OrderFile()));
  GuardProcess second(files_.path());
  ASSERT_TRUE(second.WaitForEnd());
  EXPECT_EQ(second.exit_code(), 1);
  EXPECT_TRUE(absl::StrContains(second.Log(), "another guard runs")) << second.Log();
  EXPECT_TRUE(GuardIsAlive(OrderFile()));
  ArmFor(Duration{300});
  WaitUntilGone();
}

TEST_F(Refusal, KilledGuardIsSeenAsGone) {
  GuardProcess guard(files_.path());
  ASSERT_TRUE(GuardIsAlive(OrderFile()));
  kill(guard.pid(), SIGKILL);
  ASSERT_TRUE(guard.WaitForEnd());
  EXPECT_FALSE(GuardIsAlive(OrderFile()));
}

TEST_F(Refusal, WrongArgumentsAreSaid) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--order-file", "relative"}, {"--watchdog"}, {"--frobnicate"}}) {
    GuardProcess guard(files_.path(), arguments);
    ASSERT_TRUE(guard.WaitForEnd());
    EXPECT_EQ(guard.exit_code(), 2) << guard.Log();
  }
  GuardProcess guard(files_.path(), {"--watchdog", "/nonexistent/watchdog"});
  ASSERT_TRUE(guard.WaitForEnd());
  EXPECT_EQ(guard.exit_code(), 1);
  EXPECT_TRUE(absl::StrContains(guard.Log(), "cannot open watchdog")) << guard.Log();
}

}  // namespace
}  // namespace pgmahout::guard
