// SPDX-License-Identifier: Apache-2.0
// The timer and the watchdog device.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "agent/guard/wake_up.h"
#include "agent/guard/watchdog_device.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/unit/agent_postgres/child.h"

namespace pgmahout::guard {
namespace {

// WakeUp blocks signals for the whole process; the test that runs it must stay stoppable.
class WakingUp : public testing::Test {
 protected:
  WakingUp() { sigprocmask(SIG_BLOCK, nullptr, &before_); }

  ~WakingUp() override { sigprocmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

TEST_F(WakingUp, ComesAtItsTimeNotBefore) {
  WakeUp wake_up = WakeUp::Open().value();
  const BootTime time = SystemClock().Now() + Duration{30};
  EXPECT_FALSE(wake_up.SleepUntil(time));
  EXPECT_GE(SystemClock().Now(), time);
}

TEST_F(WakingUp, ComesAtOnceForATimeThatHasPassed) {
  WakeUp wake_up = WakeUp::Open().value();
  EXPECT_FALSE(wake_up.SleepUntil(BootTime()));
  EXPECT_FALSE(wake_up.SleepUntil(SystemClock().Now() - Duration{1'000}));
}

TEST_F(WakingUp, ComesBeforeItsTimeWhenAskedToStop) {
  WakeUp wake_up = WakeUp::Open().value();
  kill(getpid(), SIGTERM);
  EXPECT_TRUE(wake_up.SleepUntil(SystemClock().Now() + Duration{3'600'000}));
  EXPECT_FALSE(wake_up.SleepUntil(SystemClock().Now())) << "asked once";
}

TEST(WatchdogDevice, IsPettedAndClosedByTheMagicCharacter) {
  const agent::TemporaryDirectory directory;
  directory.Write("watchdog", "");
  auto device = WatchdogDevice::Open(directory.path() + "/watchdog");
  ASSERT_TRUE(device.ok());
  EXPECT_TRUE(device->Pet().ok());
  EXPECT_TRUE(device->Disarm().ok());
  EXPECT_EQ(ReadFile(directory.path() + "/watchdog").value(), std::string("\0V", 2));
}

TEST(WatchdogDevice, ThatIsMissingIsAnErrorWithAHint) {
  const auto device = WatchdogDevice::Open("/nonexistent/watchdog");
  EXPECT_TRUE(absl::IsNotFound(device.status()));
  EXPECT_FALSE(InfoOf(device.status()).hint.empty());
}

}  // namespace
}  // namespace pgmahout::guard
