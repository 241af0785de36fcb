// SPDX-License-Identifier: Apache-2.0
// cluster list, show, delete, credentials, and watch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "common/spec/yaml_loader.h"
#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

class Cluster : public CliTest {};

std::vector<std::string> KeysOf(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) {
    keys.push_back(key);
  }
  return keys;
}

TEST_F(Cluster, ShowPaintsThePicture) {
  const CliResult result = Run("cluster show orders");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "orders  (tenant default)                              HEALTHY\n"
            "  PostgreSQL  14.23   system-id 7423474350493388827   timeline 4   epoch 4\n"
            "  Endpoints   rw orders-rw.db.example:5432 -> db2 (DNS in sync, TTL 5s)   "
            "ro orders-ro.db.example:5432 -> db1, db3\n"
            "  Replication any 1 (db1, db3), required    failover automatic    "
            "if db2 fails now: 0 bytes lost, about 4 s\n"
            "\n"
            "  NODE  ROLE     STATE      TL  REPLAY LSN   LAG    SYNC    ELIGIBLE  PG     AGENT\n"
            "  db2   primary  running     4  1A/6F0012C8  -      -       -         14.23  0.1.0\n"
            "  db1   standby  streaming   4  1A/6F0012C8  0B/0s  quorum  yes       14.23  0.1.0\n"
            "  db3   standby  streaming   4  1A/6F0012C8  0B/0s  quorum  yes       14.23  0.1.0\n");
}

TEST_F(Cluster, ShowTellsWhatIsWrong) {
  admin_.status.set_phase("Degraded");
  admin_.status.set_phase_reason("db3: its agent is not connected");
  admin_.status.mutable_dns()->set_in_sync(false);
  v1::MemberStatus* const db3 = admin_.status.mutable_members(2);
  db3->set_agent_connected(false);
  db3->set_state("unknown");
  db3->set_eligible(false);
  db3->set_eligible_reason("not heard for 20 s");
  db3->set_sync("async");
  const CliResult result = Run("cluster show orders");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("DEGRADED"), HasSubstr("Reason      db3: its agent is not connected"),
                    HasSubstr("DNS not in sync, answers 10.0.0.2"), HasSubstr("(away)"),
                    HasSubstr("any 1 (db1), required"),
                    HasSubstr("db3 would not be promoted: not heard for 20 s")));
}

TEST_F(Cluster, ShowForecastsALossWithoutSynchronousStandbys) {
  for (v1::MemberStatus& member : *admin_.status.mutable_members()) {
    member.set_sync(member.role() == "standby" ? "async" : "");
    member.set_lag_bytes(member.role() == "standby" ? 4096 : 0);
  }
  admin_.spec.mutable_spec()->mutable_synchronous()->set_data_durability("off");
  EXPECT_THAT(Run("cluster show orders").out,
              AllOf(HasSubstr("asynchronous"), HasSubstr("if db2 fails now: about 4096B lost")));
  for (v1::MemberStatus& member : *admin_.status.mutable_members()) {
    member.set_eligible(false);
  }
  EXPECT_THAT(Run("cluster show orders").out,
              HasSubstr("if db2 fails now: no standby can be promoted"));
}

TEST_F(Cluster, ShowWorksWithoutASpecAndWithoutAPrimary) {
  admin_.errors["GetClusterSpec"] = absl::PermissionDeniedError("not for you");
  admin_.status = OrdersIn("NoPrimary", "", 5);
  const CliResult result = Run("cluster show orders");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("NOPRIMARY"), HasSubstr("no primary"), HasSubstr("epoch 5")));
}

TEST_F(Cluster, ShowWideHasAddresses) {
  EXPECT_THAT(Run("cluster show orders -o wide").out,
              AllOf(HasSubstr("ADDRESS"), HasSubstr("10.0.0.3:5432"), HasSubstr("RECEIVE LSN")));
}

TEST_F(Cluster, ShowJsonIsTheContract) {
  const CliResult result = Run("cluster show orders -o json");
  EXPECT_EQ(result.code, 0);
  const Json json = Json::parse(result.out);
  EXPECT_THAT(KeysOf(json),
              ElementsAre("name", "tenant", "phase", "phaseReason", "epoch", "primary", "timeline",
                          "systemIdentifier", "dns", "members"));
  EXPECT_THAT(KeysOf(json["dns"]), ElementsAre("primary", "inSync", "addresses"));
  EXPECT_THAT(KeysOf(json["members"][0]),
              ElementsAre("node", "address", "port", "role", "state", "timeline", "receiveLsn",
                          "replayLsn", "lagBytes", "lagSeconds", "sync", "eligible",
                          "eligibleReason", "postgresVersion", "agentVersion", "agentConnected"));
  EXPECT_TRUE(json["epoch"].is_number());
  EXPECT_TRUE(json["timeline"].is_number());
  EXPECT_TRUE(json["members"][0]["lagBytes"].is_number());
  EXPECT_TRUE(json["members"][0]["eligible"].is_boolean());
  EXPECT_EQ(json["systemIdentifier"], "7423474350493388827");
  EXPECT_EQ(json["dns"]["addresses"][0], "10.0.0.2");
}

TEST_F(Cluster, ShowJsonHasEveryFieldEvenWhenNothingIsKnown) {
  admin_.status = v1::ClusterStatus();
  admin_.status.add_members();
  const Json json = Json::parse(Run("cluster show orders -o json").out);
  EXPECT_EQ(json.size(), 10U);
  EXPECT_EQ(json["phaseReason"], "");
  EXPECT_TRUE(json["dns"]["addresses"].is_array());
  EXPECT_EQ(json["members"][0].size(), 16U);
}

TEST_F(Cluster, ShowYamlSaysTheSame) {
  const YAML::Node yaml = YAML::Load(Run("cluster show orders -o yaml").out);
  EXPECT_EQ(yaml["epoch"].as<int>(), 4);
  EXPECT_EQ(yaml["systemIdentifier"].Tag(), "!");  // quoted: text, not a number
  EXPECT_TRUE(yaml["members"][1]["agentConnected"].as<bool>());
}

TEST_F(Cluster, ShowSpecCanBeAppliedAgain) {
  const CliResult result = Run("cluster show orders --spec");
  EXPECT_EQ(result.code, 0);
  const auto documents = LoadYaml(result.out, "again.yaml", nullptr);
  ASSERT_TRUE(documents.ok()) << documents.status();
  EXPECT_EQ(documents->front().cluster.metadata().name(), "orders");
}

TEST_F(Cluster, ShowOfNothingIsNotFound) {
  admin_.errors["GetCluster"] =
      WithHint(absl::NotFoundError("cluster \"ordres\" does not exist"), "See all of them.");
  const CliResult result = Run("cluster show ordres");
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "error:  cluster \"ordres\" does not exist\nhint:   See all of them.\n");
}

TEST_F(Cluster, ListHasOneLineEach) {
  EXPECT_EQ(Run("cluster list").out,
            "NAME    PHASE    PRIMARY  EPOCH  TL  AGENTS  DNS\n"
            "orders  Healthy  db2          4   4  3/3     in sync\n");
  EXPECT_EQ(Run("-o name cluster list").out, "orders\n");
  const Json json = Json::parse(Run("cluster list -o json").out);
  ASSERT_TRUE(json.is_array());
  EXPECT_EQ(json[0]["name"], "orders");
}

TEST_F(Cluster, DeleteAsksForTheName) {
  const CliResult declined = RunAtTerminal("cluster delete orders", "oders\n");
  EXPECT_EQ(declined.code, 4);
  EXPECT_EQ(admin_.calls["DeleteCluster"], 0);
  const CliResult confirmed = RunAtTerminal("cluster delete orders", "orders\n");
  EXPECT_EQ(confirmed.code, 0);
  EXPECT_THAT(confirmed.err, HasSubstr("data stay where they are (db1, db2, db3)"));
  EXPECT_EQ(admin_.calls["DeleteCluster"], 1);
}

TEST_F(Cluster, DeleteInAScriptNeedsYes) {
  const CliResult declined = Run("cluster delete orders", "orders\n");
  EXPECT_EQ(declined.code, 4);
  EXPECT_THAT(declined.err, HasSubstr("--yes"));
  EXPECT_EQ(admin_.calls["DeleteCluster"], 0);
  EXPECT_EQ(Run("cluster delete orders --yes").code, 0);
  EXPECT_EQ(admin_.calls["DeleteCluster"], 1);
}

TEST_F(Cluster, DeleteDryRunChangesNothing) {
  const CliResult result = Run("cluster delete orders --dry-run");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("deletes cluster \"orders\""));
  EXPECT_EQ(admin_.calls["DeleteCluster"], 0);
}

TEST_F(Cluster, CredentialsPrintOnlyThePassword) {
  const CliResult result = Run("cluster credentials orders orders_app");
  EXPECT_EQ(result.out, "secret-of-orders_app\n");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(Json::parse(Run("cluster credentials orders app -o json").out)["password"],
            "secret-of-app");
}

TEST_F(Cluster, RefusalsOfTheServerHaveTheirExitCodes) {
  const auto code_for = [this](const absl::Status& status) {
    admin_.errors["GetCluster"] = status;
    return Run("cluster show orders").code;
  };
  EXPECT_EQ(code_for(absl::InternalError("x")), 1);
  EXPECT_EQ(code_for(absl::InvalidArgumentError("x")), 2);
  EXPECT_EQ(code_for(absl::FailedPreconditionError("x")), 5);
  EXPECT_EQ(code_for(absl::UnavailableError("x")), 7);
  EXPECT_EQ(code_for(absl::PermissionDeniedError("x")), 7);
  EXPECT_EQ(code_for(absl::CancelledError("x")), 1);
}

TEST_F(Cluster, AControllerThatDoesNotAnswerAReadIsUnreachable) {
  admin_.errors["GetCluster"] = absl::DeadlineExceededError("x");
  EXPECT_EQ(Run("cluster show orders").code, 7);
}

TEST_F(Cluster, WatchPrintsEachChangeOnce) {
  admin_.watches = {{HealthyOrders(), HealthyOrders(), OrdersIn("FailingOver", "", 5)}};
  admin_.watch_end = absl::NotFoundError("cluster \"orders\" does not exist");
  const CliResult result = Run("watch orders");
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.out, AllOf(HasSubstr("orders: Healthy, primary db2, epoch 4\n"),
                                HasSubstr("orders: FailingOver, no primary, epoch 5\n")));
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 2);
}

TEST_F(Cluster, WatchGoesOnWhenTheControllerComesBack) {
  admin_.watches = {{HealthyOrders()}, {OrdersIn("Degraded", "db1", 5)}};
  const CliResult result = Run("watch orders -o json");
  // The third stream finds no such cluster, which ends the watch.
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("trying again"));
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 2);
  EXPECT_EQ(Json::parse(result.out.substr(0, result.out.find('\n')))["epoch"], 4);
}

}  // namespace
}  // namespace pgmahout::cli
