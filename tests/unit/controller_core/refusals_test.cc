// SPDX-License-Identifier: Apache-2.0
// Requests against the state of the cluster, each condition by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "controller/core/eligibility.h"
#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string Detail(const absl::Status& status) {
  return status.ok() ? "ok" : InfoOf(status).detail;
}

TEST(FailoverRequest, IsRefusedWhileThePrimaryChangesAnyway) {
  for (ClusterState state : {Promoting(), CleanlyStopped()}) {
    EXPECT_THAT(Detail(CheckFailover(state, {"db3", true}, kNow)),
                HasSubstr("already changes its primary"));
  }
  EXPECT_TRUE(CheckFailover(Voted(), {"db3", true}, kNow).ok()) << "a loss may be accepted then";
}

TEST(FailoverRequest, IsFineOnceThePrimaryIsGoneOrDown) {
  ClusterState state = Settled();
  Silence(state, "db1");
  EXPECT_TRUE(CheckFailover(state, {"", false}, kNow).ok());
  state = Settled();
  ReportFrom(state, "db1").server = ServerState::kStopped;
  EXPECT_TRUE(CheckFailover(state, {"", false}, kNow).ok());
  EXPECT_EQ(Detail(CheckFailover(state, {"db1", false}, kNow)), "db1 is no standby");
  EXPECT_EQ(Detail(CheckFailover(state, {"db9", false}, kNow)), "db9 is no standby");
}

TEST(FailoverRequest, NamesNobodyWhoIsNeverPromoted) {
  ClusterState state = Voted();
  state.durable.spec.failover.priority["db3"] = 0;
  EXPECT_EQ(Detail(CheckFailover(state, {"db3", true}, kNow)), "db3 has failover.priority 0");
  EXPECT_TRUE(CheckFailover(state, {"db2", true}, kNow).ok());
}

TEST(FailoverRequest, ThatCameTooLateChangesNothing) {
  const Outcome outcome = Advance(Settled(), FailoverRequested{"db2", true}, kNow);
  EXPECT_FALSE(outcome.durable_changed) << "the primary runs again";
  EXPECT_THAT(outcome.entries, IsEmpty());
}

TEST(SwitchoverRequest, IsRefusedForDataOfWhichNobodyKnowsWhoseItIs) {
  ClusterState state = Settled();
  ASSERT_TRUE(CheckSwitchover(state, "db2", kNow).ok());
  ReportFrom(state, "db2").system_identifier = 0;
  EXPECT_THAT(Detail(CheckSwitchover(state, "db2", kNow)), HasSubstr("system identifier"));
  EXPECT_NE(WhyNotEligible(state, "db2", kNow), "");
}

TEST(SwitchoverRequest, IsRefusedWhileThePrimaryDoesNotRun) {
  ClusterState state = Settled();
  EXPECT_TRUE(CheckSwitchover(state, "", kNow).ok());
  ReportFrom(state, "db1").server = ServerState::kStarting;
  EXPECT_EQ(Detail(CheckSwitchover(state, "", kNow)),
            "the primary db1 is not heard or does not run");
}

}  // namespace
}  // namespace pgmahout::controller
