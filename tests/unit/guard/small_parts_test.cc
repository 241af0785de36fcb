// SPDX-License-Identifier: Apache-2.0
// The timer, the watchdog device and the messages to systemd.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>

#include "agent/guard/systemd_notify.h"
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

class Listener {
 public:
  explicit Listener(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }

  ~Listener() { close(fd_); }

  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::string Next() const {
    std::array<char, 64> text{};
    const ssize_t got = recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
    return got < 0 ? "nothing" : std::string(text.data(), static_cast<size_t>(got));
  }

 private:
  int fd_;
};

TEST(NotifySystemd, SendsOneMessage) {
  const agent::TemporaryDirectory directory;
  const Listener systemd(directory.path() + "/notify");
  NotifySystemd(directory.path() + "/notify", "READY=1");
  EXPECT_EQ(systemd.Next(), "READY=1");
  EXPECT_EQ(systemd.Next(), "nothing");
}

TEST(NotifySystemd, NeverWaitsForASystemdThatHangs) {
  const agent::TemporaryDirectory directory;
  const Listener systemd(directory.path() + "/notify");
  // More than a socket's queue holds; it would block for ever.
  for (int i = 0; i < 5'000; ++i) {
    NotifySystemd(directory.path() + "/notify", "WATCHDOG=1");
  }
  EXPECT_EQ(systemd.Next(), "WATCHDOG=1");
}

TEST(NotifySystemd, DoesWithoutASocket) {
  NotifySystemd("", "READY=1");
  NotifySystemd("/nonexistent/notify", "READY=1");
  NotifySystemd("/" + std::string(200, 'x'), "READY=1");
}

}  // namespace
}  // namespace pgmahout::guard
