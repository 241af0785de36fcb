// SPDX-License-Identifier: Apache-2.0
// Stopping the guard, letting it run once, and the watchdog device.
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/match.h"
#include "common/base/durable_file.h"
#include "tests/integration/guard/rig.h"

namespace pgmahout::guard {
namespace {

class Stop : public GuardedServer {
 protected:
  // Returns once the guard has read an order whose deadline is `ahead`.
  void ArmAndAwait(const GuardProcess& guard, Duration ahead) {
    ArmFor(ahead);
    EXPECT_TRUE(
        agent::Eventually([&] { return absl::StrContains(guard.Log(), "guard is armed"); }));
  }
};

TEST_F(Stop, UnarmedGuardLeavesAtOnce) {
  GuardProcess guard(files_.path());
  const BootTime asked = SystemClock().Now();
  kill(guard.pid(), SIGTERM);
  ASSERT_TRUE(guard.WaitForEnd());
  EXPECT_EQ(guard.exit_code(), 0);
  EXPECT_LT(SystemClock().Now() - asked, Duration{2'000});
  EXPECT_TRUE(Runs());
}

TEST_F(Stop, ArmedGuardGoesOnForFiveSecondsAndSaysWhatThatMeans) {
  GuardProcess guard(files_.path());
  ArmAndAwait(guard, Duration{60'000});
  const BootTime asked = SystemClock().Now();
  kill(guard.pid(), SIGTERM);
  ASSERT_TRUE(guard.WaitForEnd());
  EXPECT_EQ(guard.exit_code(), 0);
  EXPECT_GE(SystemClock().Now() - asked, Duration{4'900});
  EXPECT_TRUE(absl::StrContains(guard.Log(), "leaves although it is armed")) << guard.Log();
  EXPECT_TRUE(Runs());
}

TEST_F(Stop, ArmedGuardThatWasAskedToStopStillKills) {
  GuardProcess guard(files_.path());
  ArmAndAwait(guard, Duration{1'000});
  kill(guard.pid(), SIGTERM);
  const BootTime deadline = ReadGuardOrder(OrderFile(), BootId())->deadline;
  EXPECT_LE(WaitUntilGone() - deadline, Duration{100});
  EXPECT_TRUE(guard.WaitForEnd());
}

TEST_F(Stop, GuardThatWasAskedToStopLeavesWhenDisarmed) {
  GuardProcess guard(files_.path());
  ArmAndAwait(guard, Duration{60'000});
  const BootTime asked = SystemClock().Now();
  kill(guard.pid(), SIGTERM);
  Disarm();
  ASSERT_TRUE(guard.WaitForEnd());
  EXPECT_LT(SystemClock().Now() - asked, Duration{2'000});
  EXPECT_FALSE(absl::StrContains(guard.Log(), "although")) << guard.Log();
}

TEST_F(Stop, OnceDoesNothingBeforeTheDeadline) {
  ArmFor(Duration{60'000});
  GuardProcess guard(files_.path(), {"--once"});
  ASSERT_TRUE(guard.WaitForEnd());
  EXPECT_EQ(guard.exit_code(), 0);
  EXPECT_TRUE(Runs());
}

TEST_F(Stop, OnceKillsAfterTheDeadlineAndEndsWhenNoneIsLeft) {
  ArmFor(Duration{1});
  WaitUntil(SystemClock().Now() + Duration{10});
  GuardProcess guard(files_.path(), {"--once"});
  ASSERT_TRUE(guard.WaitForEnd());
  EXPECT_EQ(guard.exit_code(), 0);
  EXPECT_FALSE(Runs());
  EXPECT_TRUE(ReportWhenClear().clear_at.has_value());
}

TEST_F(Stop, WatchdogIsPettedUntilTheMagicClose) {
  const std::string device = files_.path() + "/watchdog";
  ASSERT_TRUE(WriteFileAtomically(device, "", 0600).ok());
  GuardProcess guard(files_.path(), {"--watchdog", device});
  EXPECT_TRUE(agent::Eventually([&] { return agent::Slurp(device).size() > 3; }));
  kill(guard.pid(), SIGTERM);
  ASSERT_TRUE(guard.WaitForEnd());
  EXPECT_EQ(agent::Slurp(device).back(), 'V');
}

TEST_F(Stop, WatchdogOfAnArmedGuardGoesOnCounting) {
  const std::string device = files_.path() + "/watchdog";
  ASSERT_TRUE(WriteFileAtomically(device, "", 0600).ok());
  GuardProcess guard(files_.path(), {"--watchdog", device});
  ArmAndAwait(guard, Duration{60'000});
  kill(guard.pid(), SIGTERM);
  ASSERT_TRUE(guard.WaitForEnd());
  EXPECT_EQ(agent::Slurp(device).find('V'), std::string::npos);
}

}  // namespace
}  // namespace pgmahout::guard
