// SPDX-License-Identifier: Apache-2.0
// cluster switchover and failover: when they are over, and how they may end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

using ::testing::HasSubstr;

class Failover : public CliTest {
 protected:
  Failover() {
    admin_.action_response.set_message("the switchover has started");
    admin_.action_response.set_epoch(5);
  }
};

TEST_F(Failover, SwitchoverWaitsForTheNewPrimary) {
  admin_.watches = {{OrdersIn("Healthy", "db2", 4), OrdersIn("SwitchingOver", "db2", 5),
                     OrdersIn("Degraded", "db1", 5)}};
  const CliResult result = Run("cluster switchover orders --to db1");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "the switchover has started\n");
  EXPECT_EQ(admin_.switchover_request.target(), "db1");
  EXPECT_FALSE(admin_.switchover_request.dry_run());
}

TEST_F(Failover, SwitchoverThatWasGivenUpFails) {
  admin_.watches = {{OrdersIn("SwitchingOver", "db2", 4), OrdersIn("Healthy", "db2", 4)}};
  const CliResult result = Run("cluster switchover orders");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("\"db2\" is still the primary"));
}

TEST_F(Failover, SwitchoverThatEndsElsewhereFails) {
  admin_.watches = {{OrdersIn("Healthy", "db3", 5)}};
  const CliResult result = Run("cluster switchover orders --to db1");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("now \"db3\", not \"db1\""));
}

TEST_F(Failover, SwitchoverTimesOutAndStillRuns) {
  admin_.watches = {{OrdersIn("SwitchingOver", "", 5)}};
  admin_.hold_last_watch = true;
  EXPECT_EQ(Run("cluster switchover orders --timeout 300ms").code, 6);
}

TEST_F(Failover, RefusedSwitchoverListsTheReasons) {
  admin_.errors["Switchover"] = WithInfo(
      absl::FailedPreconditionError("cannot switch over cluster \"orders\""),
      ErrorInfo{"not-eligible", "Standby db3 is 41 MB behind.", "Wait, or choose another node."});
  const CliResult result = Run("cluster switchover orders --to db3");
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, HasSubstr("detail: Standby db3 is 41 MB behind."));
}

TEST_F(Failover, DryRunOnlyAsks) {
  const CliResult result = Run("cluster switchover orders --dry-run -o json");
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(admin_.switchover_request.dry_run());
  EXPECT_EQ(admin_.calls["WatchCluster"], 0);
  EXPECT_EQ(nlohmann::json::parse(result.out)["dryRun"], true);
}

TEST_F(Failover, PlainFailoverNeedsNoConfirmation) {
  admin_.watches = {{OrdersIn("FailingOver", "", 5), OrdersIn("Degraded", "db1", 5)}};
  EXPECT_EQ(Run("cluster failover orders").code, 0);
  EXPECT_FALSE(admin_.failover_request.accept_data_loss());
}

TEST_F(Failover, DataLossNeedsConfirmation) {
  EXPECT_EQ(Run("cluster failover orders --accept-data-loss").code, 4);
  EXPECT_EQ(RunAtTerminal("cluster failover orders --accept-data-loss", "yes\n").code, 4);
  EXPECT_EQ(admin_.calls["Failover"], 0);
  EXPECT_EQ(Run("cluster failover orders --accept-data-loss --yes --no-wait").code, 0);
  EXPECT_TRUE(admin_.failover_request.accept_data_loss());
}

TEST_F(Failover, AChangeWithoutAnAnswerMayStillRun) {
  admin_.errors["Failover"] = absl::DeadlineExceededError("no answer");
  EXPECT_EQ(Run("cluster failover orders").code, 6);
}

}  // namespace
}  // namespace pgmahout::cli
