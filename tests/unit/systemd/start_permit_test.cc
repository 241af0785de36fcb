// SPDX-License-Identifier: Apache-2.0
// The marks by which systemd's start-gate knows whose start it is, and the gate itself is in
// tests/packages.
#include "agent/systemd/start_permit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <optional>

#include "agent/systemd/sd_bus_control.h"
#include "tests/unit/net/temporary_directory.h"
#include "tests/unit/systemd/fake_systemd.h"

namespace pgmahout::agent {
namespace {

constexpr char kUnit[] = "postgresql@14-main.service";

class Marks : public ::testing::Test {
 protected:
  bool IsThere() const { return access((directory_.path() + "/" + kUnit).c_str(), F_OK) == 0; }

  const testing::TemporaryDirectory directory_;
};

TEST_F(Marks, APermitLastsAsLongAsItsObject) {
  std::optional<StartPermit> permit(std::in_place, directory_.path(), kUnit);
  EXPECT_TRUE(permit->status().ok());
  EXPECT_TRUE(IsThere());
  permit.reset();
  EXPECT_FALSE(IsThere());
}

TEST_F(Marks, WithoutTheDirectoryThereIsNoGate) {
  const StartPermit permit("/nonexistent", kUnit);
  EXPECT_TRUE(permit.status().ok());
}

TEST_F(Marks, AStartIsPermittedWhileSystemdWorksOnItAndNotLonger) {
  bool during = false;
  FakeSystemd systemd(FakeSystemd::Start::kDone);
  const auto control = MakeSystemdControl(kUnit, systemd.Opener(), directory_.path());
  systemd.OnStart([&] { during = IsThere(); });
  EXPECT_TRUE(control->Start({"", "/nonexistent/pgdata", ""}).ok());
  EXPECT_TRUE(during);
  EXPECT_FALSE(IsThere());
}

TEST_F(Marks, AServerIsMarkedWhileItIsManaged) {
  {
    ManagedMark mark(directory_.path(), kUnit);
    mark.Set(true);
    mark.Set(true);
    while (!IsThere()) {
      sched_yield();
    }
  }
  EXPECT_TRUE(IsThere()) << "the mark outlives the agent";
  ManagedMark mark(directory_.path(), kUnit);
  mark.Set(false);
  while (IsThere()) {
    sched_yield();
  }
}

}  // namespace
}  // namespace pgmahout::agent
