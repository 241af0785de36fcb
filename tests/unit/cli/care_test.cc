// SPDX-License-Identifier: Apache-2.0
// cluster pause, resume, reinit, restart and node maintenance: what is asked, and when it is over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

using ::testing::HasSubstr;

v1::Event EventOf(uint64_t id, const std::string& rule, const std::string& message) {
  v1::Event event;
  event.set_id(id);
  event.set_cluster("orders");
  event.set_rule(rule);
  event.set_node("db3");
  event.set_message(message);
  return event;
}

class Care : public CliTest {
 protected:
  Care() {
    admin_.action_response.set_message("said");
    admin_.action_response.set_cluster("orders");
  }

  static v1::ClusterStatus With(const std::string& reinit,
                                const std::vector<std::string>& restart) {
    v1::ClusterStatus status = HealthyOrders();
    status.set_reinit(reinit);
    for (const std::string& node : restart) {
      status.add_restart(node);
    }
    return status;
  }

  static v1::ClusterStatus InMaintenance(const std::string& sync, const std::string& primary) {
    v1::ClusterStatus status = OrdersIn("Healthy", primary, 5);
    status.mutable_members(2)->set_maintenance(true);
    status.mutable_members(2)->set_sync(sync);
    return status;
  }
};

TEST_F(Care, PauseAndResumeAreDoneWhenTheyAreAnswered) {
  EXPECT_EQ(Run("cluster pause orders").code, 0);
  EXPECT_EQ(admin_.pause_request.name(), "orders");
  EXPECT_TRUE(admin_.pause_request.paused());
  const CliResult result = Run("cluster resume orders");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "said\n");
  EXPECT_FALSE(admin_.pause_request.paused());
}

TEST_F(Care, DryRunNumbersTheSteps) {
  admin_.action_response.add_steps("first this");
  admin_.action_response.add_steps("then that");
  const CliResult result = Run("cluster restart orders --dry-run");
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(admin_.restart_request.dry_run());
  EXPECT_EQ(result.out,
            "said\n  1. first this\n  2. then that\nNothing was changed (--dry-run).\n");
  const CliResult json = Run("cluster pause orders --dry-run -o json");
  EXPECT_EQ(nlohmann::json::parse(json.out)["steps"][1], "then that");
}

TEST_F(Care, RefusalIsExitCode5WithItsReasons) {
  for (const std::string method : {"SetPause", "SetMaintenance", "Reinit", "Restart"}) {
    admin_.errors[method] = WithInfo(absl::FailedPreconditionError("cannot do this"),
                                     ErrorInfo{"precondition", "because of db3", "wait"});
  }
  for (const std::string command :
       {"cluster pause orders", "node maintenance db3 --on", "cluster reinit orders db3",
        "cluster restart orders", "cluster restart orders --dry-run"}) {
    const CliResult result = Run(command);
    EXPECT_EQ(result.code, 5) << command;
    EXPECT_THAT(result.err, HasSubstr("because of db3")) << command;
  }
}

TEST_F(Care, ReinitWaitsForTheNewCopy) {
  admin_.watches = {{With("db3", {}), With("", {})}};
  admin_.events = {EventOf(1, "reinit-given-up", "an earlier one"),
                   EventOf(2, "reinit-done", "streams")};
  const CliResult result = Run("cluster reinit orders db3");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(admin_.reinit_request.node(), "db3");
}

TEST_F(Care, ReinitThatWasGivenUpFails) {
  admin_.watches = {{With("", {})}};
  admin_.events = {EventOf(2, "reinit-given-up", "the primary changed")};
  const CliResult result = Run("cluster reinit orders db3");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("the primary changed"));
}

TEST_F(Care, RestartWaitsForTheLastMember) {
  admin_.watches = {{With("", {"db3", "db2"}), With("", {"db2"}), With("", {})}};
  admin_.events = {EventOf(2, "restart-over", "")};
  const CliResult result = Run("cluster restart orders --node db3 --force --in-place");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(admin_.restart_request.node(), "db3");
  EXPECT_TRUE(admin_.restart_request.force());
  EXPECT_TRUE(admin_.restart_request.in_place());
  EXPECT_EQ(Run("cluster restart orders --no-wait").code, 0);
  EXPECT_EQ(admin_.calls["WatchCluster"], 1);
}

TEST_F(Care, RestartTimesOutAndGoesOn) {
  admin_.watches = {{With("", {"db2"})}};
  admin_.hold_last_watch = true;
  EXPECT_EQ(Run("cluster restart orders --timeout 300ms").code, 6);
}

TEST_F(Care, MaintenanceWaitsUntilNoCommitRestsOnTheNode) {
  v1::ClusterStatus switching = OrdersIn("SwitchingOver", "db3", 5);
  admin_.watches = {{switching, InMaintenance("", "db3"), InMaintenance("leaving", "db2"),
                     InMaintenance("async", "db2")}};
  const CliResult result = Run("node maintenance db3 --on");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(admin_.maintenance_request.node(), "db3");
  EXPECT_TRUE(admin_.maintenance_request.on());
}

TEST_F(Care, MaintenanceOfAPrimaryThatStaysFails) {
  admin_.watches = {{OrdersIn("Healthy", "db3", 5)}};
  const CliResult result = Run("node maintenance db3 --on");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("\"db3\" is still the primary"));
}

TEST_F(Care, MaintenanceEndsWhenTheNodeStreams) {
  v1::ClusterStatus away = HealthyOrders();
  away.mutable_members(2)->set_state("stopped");
  admin_.watches = {{away, HealthyOrders()}};
  EXPECT_EQ(Run("node maintenance db3 --off").code, 0);
  EXPECT_FALSE(admin_.maintenance_request.on());
}

TEST_F(Care, EndOfMaintenanceAwaitsNoStreamOfThePrimary) {
  admin_.watches = {{OrdersIn("Healthy", "db3", 5)}};
  EXPECT_EQ(Run("node maintenance db3 --off").code, 0);
}

TEST_F(Care, ShowTellsThatAPauseForbidsAFailover) {
  admin_.status.set_paused(true);
  EXPECT_THAT(Run("cluster show orders").out,
              HasSubstr("fails now: waits for `pgmahout cluster resume orders`"));
}

TEST_F(Care, AddsNothingToTheJsonOfACluster) {
  const auto before = nlohmann::ordered_json::parse(Run("cluster show orders -o json").out);
  admin_.status.set_paused(true);
  admin_.status.set_reinit("db3");
  admin_.status.add_restart("db2");
  admin_.status.mutable_members(2)->set_maintenance(true);
  EXPECT_EQ(nlohmann::ordered_json::parse(Run("cluster show orders -o json").out), before)
      << "phase and phaseReason are the controller's words for it";
}

TEST_F(Care, MaintenanceNeedsOnOrOff) {
  EXPECT_EQ(Run("node maintenance db3").code, 2);
  EXPECT_EQ(Run("node maintenance db3 --on --off").code, 2);
  EXPECT_EQ(admin_.calls["SetMaintenance"], 0);
}

}  // namespace
}  // namespace pgmahout::cli
