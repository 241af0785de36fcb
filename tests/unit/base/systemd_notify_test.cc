// SPDX-License-Identifier: Apache-2.0
// What systemd is told, and that it is never waited for.
#include "common/base/systemd_notify.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/unit/base/datagrams.h"
#include "tests/unit/net/temporary_directory.h"

namespace pgmahout {
namespace {

class Notify : public ::testing::Test {
 protected:
  const testing::TemporaryDirectory directory_;
  const std::string socket_ = directory_.path() + "/notify";
};

TEST_F(Notify, IsOneMessage) {
  const Datagrams systemd(socket_);
  EXPECT_TRUE(NotifySystemd(socket_, "READY=1"));
  EXPECT_EQ(systemd.Next(), "READY=1");
  EXPECT_EQ(systemd.Next(), "nothing");
}

TEST_F(Notify, NeverWaitsForASystemdThatHangs) {
  const Datagrams systemd(socket_);
  bool sent = true;
  // More than a socket's queue holds; it would block for ever.
  for (int i = 0; i < 5'000; ++i) {
    sent = NotifySystemd(socket_, "WATCHDOG=1");
  }
  EXPECT_FALSE(sent);
  EXPECT_EQ(systemd.Next(), "WATCHDOG=1");
}

TEST_F(Notify, DoesWithoutASocket) {
  EXPECT_TRUE(NotifySystemd("", "READY=1"));
  EXPECT_FALSE(NotifySystemd("/nonexistent/notify", "READY=1"));
  EXPECT_TRUE(NotifySystemd("/" + std::string(200, 'x'), "READY=1"));
}

TEST_F(Notify, SaysThatItIsReadyOnce) {
  const Datagrams systemd(socket_);
  ServiceStatus status(socket_, Duration{0});
  EXPECT_FALSE(status.is_ready());
  status.Alive();
  EXPECT_EQ(systemd.Next(), "WATCHDOG=1");
  status.Ready();
  status.Ready();
  status.Alive();
  EXPECT_EQ(systemd.Next(), "READY=1");
  EXPECT_EQ(systemd.Next(), "WATCHDOG=1");
  EXPECT_EQ(systemd.Next(), "nothing");
}

TEST_F(Notify, RepeatsThatItIsReadyUntilItCameThrough) {
  ServiceStatus status(socket_, Duration{0});
  status.Ready();  // nobody listens yet
  const Datagrams systemd(socket_);
  status.Alive();
  EXPECT_EQ(systemd.Next(), "READY=1");
}

TEST_F(Notify, TellsAStatusWhenItIsNews) {
  const Datagrams systemd(socket_);
  ServiceStatus status(socket_, Duration{0});
  status.Say("primary");
  status.Say("primary");
  status.Say("standby");
  EXPECT_EQ(systemd.Next(), "STATUS=primary");
  EXPECT_EQ(systemd.Next(), "STATUS=standby");
  EXPECT_EQ(systemd.Next(), "nothing");
}

TEST_F(Notify, AStatusCannotSayAnythingElseToSystemd) {
  const Datagrams systemd(socket_);
  ServiceStatus(socket_, Duration{0}).Say("error\nMAINPID=1");
  EXPECT_EQ(systemd.Next(), "STATUS=error MAINPID=1");
}

TEST_F(Notify, FeedsTheWatchdogThreeTimesInItsTime) {
  EXPECT_EQ(ServiceStatus("", Duration{9'000}).alive_period(), Duration{3'000});
  EXPECT_EQ(ServiceStatus("", Duration{0}).alive_period(), Duration{1'000});
}

TEST_F(Notify, TheEnvironmentIsForThisProcessAlone) {
  const Datagrams systemd(socket_);
  setenv("NOTIFY_SOCKET", socket_.c_str(), 1);
  setenv("WATCHDOG_USEC", "6000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  ServiceStatus status = ServiceStatus::FromEnvironment();
  status.Ready();
  EXPECT_EQ(systemd.Next(), "READY=1");
  EXPECT_EQ(status.alive_period(), Duration{2'000});
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr) << "a program it starts must not speak for it";
  EXPECT_EQ(std::getenv("WATCHDOG_USEC"), nullptr);
}

TEST_F(Notify, AWatchdogOfAnotherProcessIsNotFed) {
  setenv("WATCHDOG_USEC", "6000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(ServiceStatus::FromEnvironment().alive_period(), Duration{1'000});
}

}  // namespace
}  // namespace pgmahout
