// SPDX-License-Identifier: Apache-2.0
// cluster adopt and release: what is asked, shown and confirmed before anything happens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kOrders[] =
    "apiVersion: pgmahout/v1\nkind: Cluster\nmetadata: {name: orders}\nspec:\n"
    "  placement:\n    nodes: [db1, db2]\n";

class AdoptVerb : public CliTest {
 protected:
  AdoptVerb() {
    v1::AdoptClusterResponse& answer = admin_.adopt_response;
    answer.set_complete(true);
    v1::NodeAdoption& db1 = *answer.add_nodes();
    db1.set_node("db1");
    db1.set_answered(true);
    v1::AdoptionPlan& plan = *db1.mutable_plan();
    plan.set_part(v1::ADOPTION_PRIMARY);
    plan.set_server("PostgreSQL 14.23 in /srv/pg/14");
    plan.set_system_identifier(7423474350493388827U);
    v1::SettingChange& change = *plan.add_settings();
    change.set_name("archive_mode");
    change.set_from("off");
    change.set_to("on");
    change.set_needs_restart(true);
    plan.add_hba("host all all 10.0.0.0/8 md5");
    plan.add_notes("role app is created");
    v1::NodeAdoption& db2 = *answer.add_nodes();
    db2.set_node("db2");
    db2.set_answered(true);
    admin_.watches = {{OrdersIn("Healthy", "db1", 1)}};
  }

  std::string file_ = WriteFile("orders.yaml", kOrders);
};

TEST_F(AdoptVerb, DryRunShowsThePlanAndAsksForNothingElse) {
  const CliResult result = Run("cluster adopt orders -f " + file_ + " --primary db1 --dry-run");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "db1: primary, taken over as it runs (PostgreSQL 14.23 in /srv/pg/14)\n"
            "  settings\n"
            "    archive_mode: 'off' -> 'on'  (after a restart)\n"
            "  rules of its pg_hba.conf that no longer apply\n"
            "    host all all 10.0.0.0/8 md5\n"
            "  also\n"
            "    role app is created\n"
            "db2: standby, copied from db1\n");
  EXPECT_TRUE(admin_.adopt_request.dry_run());
  EXPECT_EQ(admin_.adopt_request.primary(), "db1");
  EXPECT_EQ(admin_.calls["AdoptCluster"], 1);
}

TEST_F(AdoptVerb, DryRunForScripts) {
  const CliResult result = Run("cluster adopt -f " + file_ + " --dry-run -o json");
  EXPECT_EQ(result.code, 0) << result.err;
  const auto json = nlohmann::ordered_json::parse(result.out);
  EXPECT_EQ(json["name"], "orders");
  EXPECT_EQ(json["nodes"][0]["part"], "primary");
  EXPECT_EQ(json["nodes"][0]["systemIdentifier"], "7423474350493388827");
  EXPECT_EQ(json["nodes"][0]["settings"][0]["restart"], true);
  EXPECT_EQ(json["nodes"][1]["part"], "copy");
  EXPECT_EQ(json["nodes"][1]["systemIdentifier"], "");
}

TEST_F(AdoptVerb, IsDoneAfterAConfirmation) {
  const CliResult declined = RunAtTerminal("cluster adopt -f " + file_, "no\n");
  EXPECT_EQ(declined.code, 4);
  EXPECT_TRUE(admin_.adopt_request.dry_run());
  const CliResult result = RunAtTerminal("cluster adopt -f " + file_, "orders\n");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_FALSE(admin_.adopt_request.dry_run());
  EXPECT_THAT(result.err, HasSubstr("orders: Healthy"));
}

TEST_F(AdoptVerb, NoWaitReturnsAtOnce) {
  EXPECT_EQ(Run("cluster adopt --yes --no-wait -f " + file_).code, 0);
  EXPECT_EQ(admin_.calls["WatchCluster"], 0);
}

TEST_F(AdoptVerb, TellsWhatRefusesIt) {
  v1::AdoptionPlan& plan = *admin_.adopt_response.mutable_nodes(1)->mutable_plan();
  plan.set_part(v1::ADOPTION_STANDBY);
  plan.add_refusals("wal_level is minimal");
  const CliResult result = Run("cluster adopt --yes -f " + file_);
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.out, AllOf(HasSubstr("db2: standby, taken over as it runs"),
                                HasSubstr("cannot be:\n    wal_level is minimal")));
  EXPECT_THAT(result.err, HasSubstr("db2: wal_level is minimal"));
  EXPECT_TRUE(admin_.adopt_request.dry_run()) << "nothing but questions";
}

TEST_F(AdoptVerb, TellsWhoDoesNotAnswer) {
  admin_.adopt_response.set_complete(false);
  admin_.adopt_response.mutable_nodes(1)->set_answered(false);
  const CliResult result = Run("cluster adopt --yes --timeout 1s -f " + file_);
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("no answer from the agents of db2"), Not(HasSubstr("db1,"))));
  EXPECT_GT(admin_.calls["AdoptCluster"], 1);
}

TEST_F(AdoptVerb, TellsMistakesInTheSpec) {
  v1::FieldNote& note = *admin_.adopt_response.add_violations();
  note.set_path("spec.placement.nodes");
  note.set_message("has too few");
  const CliResult result = Run("cluster adopt --yes -f " + file_);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("orders.yaml:6"));
}

TEST_F(AdoptVerb, TakesOneClusterOfThatName) {
  EXPECT_EQ(Run("cluster adopt stock --yes -f " + file_).code, 2);
  const std::string two = WriteFile("two.yaml", std::string(kOrders) + "---\n" + kOrders);
  EXPECT_EQ(Run("cluster adopt --yes -f " + two).code, 2);
  EXPECT_EQ(admin_.calls["AdoptCluster"], 0);
}

class ReleaseVerb : public CliTest {};

TEST_F(ReleaseVerb, LetsGoAfterAConfirmation) {
  const CliResult declined = RunAtTerminal("cluster release orders", "no\n");
  EXPECT_EQ(declined.code, 4);
  EXPECT_TRUE(admin_.delete_request.dry_run());
  const CliResult result = RunAtTerminal("cluster release orders", "orders\n");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(admin_.delete_request.release());
  EXPECT_FALSE(admin_.delete_request.dry_run());
  EXPECT_THAT(result.err, HasSubstr("run on as they are (db1, db2, db3)"));
}

TEST_F(ReleaseVerb, WaitsUntilEveryAgentHasLetGo) {
  v1::Node& node = *admin_.nodes.add_nodes();
  node.set_name("db2");
  node.set_connected(true);
  node.set_letting_go(true);
  const CliResult result = Run("cluster release orders --yes --timeout 1s");
  EXPECT_EQ(result.code, 6);
  EXPECT_THAT(result.err, HasSubstr("the agents of db2 have not let go yet"));
  EXPECT_EQ(Run("cluster release orders --yes --no-wait").code, 0);
  node.set_letting_go(false);
  node.set_connected(false);
  const CliResult away = Run("cluster release orders --yes");
  EXPECT_EQ(away.code, 0);
  EXPECT_THAT(away.err, HasSubstr("let go when their agents are back: db2"));
  node.set_connected(true);
  EXPECT_THAT(Run("cluster release orders --yes").err, Not(HasSubstr("are back")));
}

TEST_F(ReleaseVerb, DryRunChangesNothing) {
  const CliResult result = Run("cluster release orders --dry-run");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("lets go of cluster \"orders\""));
  EXPECT_TRUE(admin_.delete_request.dry_run());
}

TEST_F(ReleaseVerb, IsRefusedWhileThePrimaryIsAway) {
  admin_.errors["DeleteCluster"] = absl::FailedPreconditionError("cannot release");
  EXPECT_EQ(Run("cluster release orders --yes").code, 5);
  EXPECT_TRUE(admin_.delete_request.dry_run());
}

}  // namespace
}  // namespace pgmahout::cli
