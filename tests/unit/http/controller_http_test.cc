// SPDX-License-Identifier: Apache-2.0
// The controller's HTTP endpoint as Prometheus and a watchdog see it, over real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "controller/api/http.h"
#include "tests/unit/http/http_client.h"

namespace pgmahout::controller {
namespace {

using pgmahout::testing::Ask;
using ::testing::HasSubstr;
using ::testing::Not;

class HandClock : public Clock {
 public:
  BootTime Now() const override { return BootTime::FromMilliseconds(now_.load()); }

  int64_t WallMilliseconds() const override { return 0; }

  void Pass(int64_t milliseconds) { now_ += milliseconds; }

 private:
  std::atomic<int64_t> now_{1'000'000};
};

ControllerSnapshot OneCluster() {
  ControllerSnapshot snapshot;
  snapshot.incarnation = 3;
  snapshot.counters.reports = 41;
  snapshot.counters.joins_refused = 2;
  snapshot.counters.rules["wait-for-old-lease"] = 5;
  snapshot.agents_connected = 2;
  snapshot.targets = {
      {"db1", "10.0.0.1", "orders"}, {"db2", "fd00::2", "orders"}, {"spare", "10.0.0.3", ""}};
  ClusterSnapshot cluster;
  cluster.name = "orders";
  cluster.phase = "Degraded";
  cluster.epoch = 4;
  cluster.quorum = 1;
  cluster.names_wanted = true;
  cluster.members = {{"db1", "running"}, {"db2", "streaming"}, {"db3", "streaming"}};
  snapshot.clusters.push_back(cluster);
  return snapshot;
}

// Somebody else may take a free port first; another one is tried then.
std::unique_ptr<ControllerHttp> StartSomewhere(const Clock& clock, uint16_t* port) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    *port = pgmahout::testing::FreePort();
    auto started = ControllerHttp::Start(absl::StrCat("127.0.0.1:", *port), clock);
    if (started.ok()) {
      return *std::move(started);
    }
  }
  return nullptr;
}

// One endpoint for all tests: civetweb takes two seconds to stop.
class ControllerHttpTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { http_ = StartSomewhere(clock_, &port_).release(); }

  static void TearDownTestSuite() {
    delete http_;
    http_ = nullptr;
  }

  void SetUp() override { ASSERT_NE(http_, nullptr); }

  static HandClock clock_;
  static uint16_t port_;
  static ControllerHttp* http_;
};

HandClock ControllerHttpTest::clock_;
uint16_t ControllerHttpTest::port_ = 0;
ControllerHttp* ControllerHttpTest::http_ = nullptr;

TEST(ControllerHttpStart, IsNotHealthyBeforeTheFirstTurnOfTheLoop) {
  const HandClock clock;
  uint16_t port = 0;
  const auto http = StartSomewhere(clock, &port);
  ASSERT_NE(http, nullptr);
  for (const char* path : {"/healthz", "/metrics", "/targets"}) {
    EXPECT_EQ(Ask(port, "GET", path).status, 503) << path;
  }
}

TEST_F(ControllerHttpTest, IsHealthyOnlyWhileTheLoopTurns) {
  http_->Update(OneCluster());
  clock_.Pass(4'999);
  EXPECT_EQ(Ask(port_, "GET", "/healthz").status, 200);
  clock_.Pass(1);
  EXPECT_EQ(Ask(port_, "GET", "/healthz").status, 503);
  http_->Update(OneCluster());
  EXPECT_EQ(Ask(port_, "GET", "/healthz").status, 200);
}

TEST_F(ControllerHttpTest, ShowsCountersAndClusters) {
  http_->Update(OneCluster());
  const auto response = Ask(port_, "GET", "/metrics");
  ASSERT_EQ(response.status, 200);
  EXPECT_THAT(response.head, HasSubstr("text/plain; version=0.0.4"));
  for (const char* line : {
           "pgmahout_controller_incarnation 3\n",
           "pgmahout_controller_agents_connected 2\n",
           "# TYPE pgmahout_controller_reports_total counter\npgmahout_controller_reports_total "
           "41\n",
           "pgmahout_controller_joins_refused_total 2\n",
           "pgmahout_controller_rules_total{rule=\"wait-for-old-lease\"} 5\n",
           "pgmahout_cluster_phase{cluster=\"orders\",phase=\"Degraded\"} 1\n",
           "pgmahout_cluster_phase{cluster=\"orders\",phase=\"Healthy\"} 0\n",
           "pgmahout_cluster_epoch{cluster=\"orders\"} 4\n",
           "pgmahout_cluster_quorum_number{cluster=\"orders\"} 1\n",
           "pgmahout_cluster_dns_in_sync{cluster=\"orders\"} 0\n",
           "pgmahout_cluster_members{cluster=\"orders\",state=\"streaming\"} 2\n",
           "pgmahout_cluster_member{cluster=\"orders\",node=\"db1\",state=\"running\"} 1\n",
       }) {
    EXPECT_THAT(response.body, HasSubstr(line));
  }
}

TEST_F(ControllerHttpTest, SaysNothingOfDnsForAClusterWithoutNames) {
  ControllerSnapshot snapshot = OneCluster();
  snapshot.clusters[0].names_wanted = false;
  http_->Update(snapshot);
  EXPECT_THAT(Ask(port_, "GET", "/metrics").body, Not(HasSubstr("pgmahout_cluster_dns_in_sync")));
}

TEST_F(ControllerHttpTest, ListsTargetsForPrometheus) {
  http_->Update(OneCluster());
  const auto response = Ask(port_, "GET", "/targets");
  ASSERT_EQ(response.status, 200);
  EXPECT_THAT(response.head, HasSubstr("Content-Type: application/json\r\n"));
  const auto groups = nlohmann::json::parse(response.body, nullptr, false);
  ASSERT_TRUE(groups.is_array());
  ASSERT_EQ(groups.size(), 3);
  EXPECT_EQ(groups[0]["targets"], nlohmann::json::array({"10.0.0.1:9187"}));
  EXPECT_EQ(groups[0]["labels"]["cluster"], "orders");
  EXPECT_EQ(groups[1]["targets"], nlohmann::json::array({"[fd00::2]:9187"}));
  EXPECT_EQ(groups[2]["labels"], nlohmann::json({{"node", "spare"}}));
}

TEST_F(ControllerHttpTest, WithoutAgentsTheTargetsAreAnEmptyList) {
  http_->Update(ControllerSnapshot{});
  EXPECT_EQ(Ask(port_, "GET", "/targets").body, "[]\n");
}

TEST_F(ControllerHttpTest, KnowsNoOtherPath) {
  http_->Update(OneCluster());
  EXPECT_EQ(Ask(port_, "GET", "/").status, 404);
  EXPECT_EQ(Ask(port_, "POST", "/metrics").status, 405);
}

}  // namespace
}  // namespace pgmahout::controller
