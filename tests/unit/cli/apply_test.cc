// SPDX-License-Identifier: Apache-2.0
// apply and diff: files in, words and exit codes out.
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
    "  placement:\n    nodes: [db1, db2, db3]\n";

class ApplyVerb : public CliTest {
 protected:
  ApplyVerb() {
    admin_.apply_response.set_revision(1);
    admin_.apply_response.set_created(true);
  }

  std::string file_ = WriteFile("orders.yaml", kOrders);
};

TEST_F(ApplyVerb, WaitsUntilTheClusterIsHealthy) {
  v1::ClusterStatus creating = OrdersIn("Creating", "", 1);
  creating.set_phase_reason("db1: initdb");
  admin_.watches = {{creating, OrdersIn("Creating", "db1", 1), OrdersIn("Healthy", "db1", 1)}};
  const CliResult result = Run("apply -f " + file_);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "orders created (revision 1)\n");
  EXPECT_EQ(result.err,
            "orders: Creating, no primary, epoch 1 (db1: initdb)\n"
            "orders: Creating, primary db1, epoch 1\n"
            "orders: Healthy, primary db1, epoch 1\n");
  EXPECT_EQ(admin_.apply_request.cluster().spec().placement().nodes_size(), 3);
}

TEST_F(ApplyVerb, NoWaitReturnsAtOnce) {
  const CliResult result = Run("apply --no-wait -f " + file_);
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(admin_.calls["WatchCluster"], 0);
}

TEST_F(ApplyVerb, SurvivesARestartOfTheController) {
  admin_.watches = {{OrdersIn("Creating", "", 1)}, {OrdersIn("Healthy", "db1", 1)}};
  EXPECT_EQ(Run("apply -f " + file_).code, 0);
  EXPECT_EQ(admin_.calls["WatchCluster"], 2);
}

TEST_F(ApplyVerb, TimesOutWithTheLastReason) {
  v1::ClusterStatus creating = OrdersIn("Creating", "", 1);
  creating.set_phase_reason("db2: its agent is not connected");
  admin_.watches = {{creating}};
  admin_.hold_last_watch = true;
  const CliResult result = Run("apply --timeout 300ms -f " + file_);
  EXPECT_EQ(result.code, 6);
  EXPECT_THAT(result.err, AllOf(HasSubstr("not there yet after 300ms"),
                                HasSubstr("db2: its agent is not connected"),
                                HasSubstr("pgmahout watch orders")));
}

TEST_F(ApplyVerb, APausedClusterIsAPrecondition) {
  admin_.watches = {{OrdersIn("Paused", "db1", 1)}};
  EXPECT_EQ(Run("apply -f " + file_).code, 5);
}

TEST_F(ApplyVerb, WhatTheServerRefusesHasALine) {
  admin_.apply_response.Clear();
  v1::FieldNote* const note = admin_.apply_response.add_violations();
  note->set_path("spec.placement.nodes[1]");
  note->set_message("node \"db2\" does not exist");
  note->set_hint("Join it first.");
  v1::FieldNote* const other = admin_.apply_response.add_violations();
  other->set_path("spec.dns.primary");
  other->set_message("zone is not served");
  const CliResult result = Run("apply -f " + file_);
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(
      result.err,
      AllOf(HasSubstr(file_ + ":6:18: spec.placement.nodes[1]: node \"db2\" does not exist\n"),
            HasSubstr("    Join it first.\n"), HasSubstr(file_ + ":5:3: spec.dns.primary: zone"),
            HasSubstr("2 problems")));
}

TEST_F(ApplyVerb, ABrokenFileReachesNoController) {
  const std::string file =
      WriteFile("bad.yaml", "kind: Cluster\nspec: {postgresql: {prot: 1}}\nmetdata: {}\n");
  const CliResult result = Run("apply -f " + file);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr(file + ":2:21: unknown field \"prot\" in spec.postgresql"),
                    HasSubstr("Did you mean \"port\"?"), HasSubstr(file + ":3:1"),
                    HasSubstr("2 problems")));
  EXPECT_TRUE(admin_.calls.empty());
  EXPECT_EQ(Run("apply -f " + file + ".missing").code, 2);
}

TEST_F(ApplyVerb, ReadsStandardInput) {
  EXPECT_EQ(Run("apply -f - --no-wait", kOrders).code, 0);
  EXPECT_EQ(admin_.apply_request.cluster().metadata().name(), "orders");
  EXPECT_THAT(Run("apply -f -", "kind: X\n").err, HasSubstr("stdin:1:7: unknown kind"));
}

TEST_F(ApplyVerb, DryRunChangesNothing) {
  const CliResult result = Run("apply --dry-run -f " + file_);
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "orders would be created\n");
  EXPECT_EQ(admin_.calls["ApplyCluster"], 0);
  EXPECT_EQ(admin_.calls["ApplyClusterDryRun"], 1);
  EXPECT_EQ(admin_.calls["WatchCluster"], 0);
}

TEST_F(ApplyVerb, SeveralDocumentsAreCheckedBeforeAnyIsApplied) {
  const std::string file = WriteFile("two.yaml", std::string(kOrders) + "---\n" + kOrders);
  admin_.errors["ApplyClusterDryRun"] = absl::FailedPreconditionError("db1 is taken");
  EXPECT_EQ(Run("apply --no-wait -f " + file).code, 5);
  EXPECT_EQ(admin_.calls["ApplyCluster"], 0);
  admin_.errors.clear();
  EXPECT_EQ(Run("apply --no-wait -f " + file).code, 0);
  EXPECT_EQ(admin_.calls["ApplyCluster"], 2);
}

TEST_F(ApplyVerb, ARefusalIsAPreconditionWithItsReasons) {
  admin_.errors["ApplyCluster"] =
      WithInfo(absl::FailedPreconditionError("node \"db1\" belongs to cluster \"shop\""),
               ErrorInfo{"node-taken", "It joined on Monday.", "Choose another node."});
  const CliResult result = Run("apply -f " + file_);
  EXPECT_EQ(result.code, 5);
  EXPECT_EQ(result.err,
            "error:  node \"db1\" belongs to cluster \"shop\"\n"
            "detail: It joined on Monday.\n"
            "hint:   Choose another node.\n");
}

TEST_F(ApplyVerb, JsonSaysWhatWasDone) {
  const CliResult result = Run("apply --no-wait -o json -f " + file_);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["name"], "orders");
  EXPECT_EQ(json["revision"], 1);
  EXPECT_EQ(json["created"], true);
  EXPECT_EQ(json["dryRun"], false);
  EXPECT_TRUE(json["changes"].is_array());
}

TEST_F(ApplyVerb, DiffNamesWhatDiffersFromTheSpecInForce) {
  admin_.apply_response.set_created(false);
  const std::string file =
      WriteFile("changed.yaml", std::string(kOrders) +
                                    "  postgresql: {port: 5433, parameters: {work_mem: 8MB}}\n"
                                    "  dns: {primary: orders-rw.db.example.}\n");
  const CliResult result = Run("diff -f " + file);
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out,
            "orders would change\n"
            "  spec.postgresql.port: 5432 -> 5433\n"
            "  spec.postgresql.parameters.work_mem: added: 8MB\n"
            "  spec.synchronous.dataDurability: required -> preferred\n"
            "  spec.dns.standbys: removed: orders-ro.db.example.\n");
  EXPECT_EQ(admin_.calls["ApplyCluster"], 0);
}

TEST_F(ApplyVerb, DiffOfTheSameSpecIsEmpty) {
  admin_.apply_response.set_created(false);
  const CliResult spec = Run("cluster show orders --spec");
  EXPECT_EQ(Run("diff -f -", spec.out).out, "orders unchanged\n");
}

TEST_F(ApplyVerb, TheServersOwnWordsAboutChangesWin) {
  admin_.apply_response.set_created(false);
  v1::FieldNote* const note = admin_.apply_response.add_changes();
  note->set_path("spec.postgresql.port");
  note->set_message("needs a restart");
  EXPECT_EQ(Run("diff -f " + file_).out,
            "orders would change\n  spec.postgresql.port: needs a restart\n");
}

}  // namespace
}  // namespace pgmahout::cli
