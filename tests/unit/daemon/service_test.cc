// SPDX-License-Identifier: Apache-2.0
// What `systemctl status` and the journal's fields say.
#include "agent/daemon/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/daemon/service.h"

namespace pgmahout {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

agent::Snapshot Primary() {
  agent::Snapshot snapshot;
  snapshot.connected = true;
  snapshot.report.cluster = "orders";
  snapshot.report.epoch = 4;
  snapshot.report.role = ServerRole::kPrimary;
  snapshot.report.server = ServerState::kRunning;
  return snapshot;
}

TEST(AgentStatus, TellsRoleClusterAndEpoch) {
  EXPECT_EQ(agent::StatusLine(Primary()), "primary of orders at epoch 4, running");
}

TEST(AgentStatus, TellsWhatItDoesAndWhyItDoesNotGetOn) {
  agent::Snapshot snapshot = Primary();
  snapshot.connected = false;
  snapshot.report.role = ServerRole::kUnknown;
  snapshot.report.server = ServerState::kStopped;
  snapshot.report.step = "start";
  snapshot.report.step_error = "port 5432 is taken";
  EXPECT_EQ(agent::StatusLine(snapshot),
            "member of orders at epoch 4, stopped; no connection to the controller; step start: "
            "port 5432 is taken");
}

TEST(AgentStatus, AFreshNodeIsMemberOfNoCluster) {
  agent::Snapshot snapshot;
  snapshot.connected = true;
  EXPECT_EQ(agent::StatusLine(snapshot), "member of no cluster");
  EXPECT_THAT(agent::LogContext("db1", snapshot), ElementsAre(Pair("node", "db1")));
}

TEST(AgentJournal, HasNodeClusterAndEpochInEachEntry) {
  EXPECT_THAT(agent::LogContext("db1", Primary()),
              ElementsAre(Pair("node", "db1"), Pair("cluster", "orders"), Pair("epoch", "4")));
}

TEST(ControllerStatus, CountsClustersByPhaseAndAgents) {
  controller::ControllerSnapshot snapshot;
  snapshot.agents_connected = 1;
  EXPECT_EQ(controller::StatusLine(snapshot), "0 clusters; 1 agent connected");
  for (const char* phase : {"Healthy", "NoPrimary", "Healthy"}) {
    snapshot.clusters.emplace_back().phase = phase;
  }
  snapshot.agents_connected = 9;
  EXPECT_EQ(controller::StatusLine(snapshot),
            "3 clusters: 2 Healthy, 1 NoPrimary; 9 agents connected");
}

}  // namespace
}  // namespace pgmahout
