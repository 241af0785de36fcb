// SPDX-License-Identifier: Apache-2.0
// Stopping and killing a unit's processes must not depend on D-Bus.
#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "agent/systemd/sd_bus_control.h"
#include "common/base/error.h"
#include "tests/unit/agent_postgres/child.h"
#include "tests/unit/systemd/fake_systemd.h"

namespace pgmahout::agent {
namespace {

constexpr char kUnit[] = "postgresql@14-main.service";

std::unique_ptr<ProcessControl> ControlWithoutBus() {
  return MakeSystemdControl(kUnit, [](sd_bus**) { return -ECONNREFUSED; });
}

TEST(SystemdFence, StopWithoutABusSignalsThePostmaster) {
  const TemporaryDirectory data;
  Child postmaster(data.path());
  data.Write("postmaster.pid", absl::StrCat(postmaster.pid(), "\n", data.path(), "\n"));
  EXPECT_TRUE(ControlWithoutBus()->RequestStop({"", data.path(), ""}).ok());
  EXPECT_EQ(postmaster.WaitForSignal(), SIGINT);
}

TEST(SystemdFence, StopWithoutABusAndWithoutAPostmasterFails) {
  const TemporaryDirectory data;
  const absl::Status status = ControlWithoutBus()->RequestStop({"", data.path(), ""});
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(InfoOf(status).hint.empty());
}

TEST(SystemdFence, KillNeedsNoBus) {
  const TemporaryDirectory data;
  Child server(data.path());
  const absl::Status status = ControlWithoutBus()->Kill({"", data.path(), ""}, Duration{10'000});
  EXPECT_TRUE(status.ok()) << FormatError(status);
  EXPECT_EQ(server.WaitForSignal(), SIGKILL);
}

TEST(SystemdFence, KillEndsWhatSystemdDoesNotKnow) {
  FakeSystemd systemd(FakeSystemd::Start::kDone);
  const TemporaryDirectory data;
  Child server(data.path());
  const auto control = MakeSystemdControl(kUnit, systemd.Opener());
  EXPECT_TRUE(control->Kill({"", data.path(), ""}, Duration{10'000}).ok());
  EXPECT_EQ(server.WaitForSignal(), SIGKILL);
}

}  // namespace
}  // namespace pgmahout::agent
