// SPDX-License-Identifier: Apache-2.0
// Control through systemd: the right calls, the right job, clear refusals.
#include "agent/systemd/sd_bus_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/unit/systemd/fake_systemd.h"

namespace pgmahout::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kUnit[] = "postgresql@14-main.service";
const ServerPaths kNowhere{"", "/nonexistent/pgdata", ""};

TEST(SystemdControl, SubscribesBeforeItStartsAndWaitsForItsOwnJob) {
  FakeSystemd systemd(FakeSystemd::Start::kDone);
  const auto control = MakeSystemdControl(kUnit, systemd.Opener());
  EXPECT_TRUE(control->Start(kNowhere).ok());
  EXPECT_THAT(systemd.Calls(),
              ElementsAre("Subscribe", "StartUnit postgresql@14-main.service replace"));
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
