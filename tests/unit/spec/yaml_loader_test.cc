// SPDX-License-Identifier: Apache-2.0
// YAML in, messages out; every mistake with its place.
#include "common/spec/yaml_loader.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/wire/convert.h"

namespace pgmahout {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kOrders[] = R"(apiVersion: pgmahout/v1
kind: Cluster
metadata: {name: orders, tenant: default, labels: {team: shop}}
spec:
  placement: {nodes: [db1, db2, db3]}
  postgresql:
    version: 14
    port: 5432
    parameters:
      log_min_duration_statement: 500ms
      max_connections: 200
      jit: off
      pg_stat_statements.max: 1000
    pgHba:
      - {type: hostssl, databases: [orders], users: [orders_app], source: 10.20.0.0/16}
  synchronous: {method: any, number: 1, dataDurability: off}
  failover: {leaseTTL: 10s, priority: {db3: 0}}
  databases: [{name: orders, owner: orders_owner, extensions: [pgcrypto]}]
  roles:
    - {name: orders_owner}
    - {name: orders_app, login: true, access: [{database: orders, preset: readwrite}]}
)";

std::vector<YamlProblem> ProblemsOf(absl::string_view text) {
  std::vector<YamlProblem> problems;
  const auto documents = LoadYaml(text, "orders.yaml", &problems);
  EXPECT_EQ(documents.ok(), problems.empty());
  return problems;
}

void ExpectOne(absl::string_view text, const std::string& where, const std::string& words) {
  const std::vector<YamlProblem> problems = ProblemsOf(text);
  ASSERT_EQ(problems.size(), 1U) << text;
  EXPECT_EQ(problems[0].where, where);
  EXPECT_THAT(absl::StrCat(problems[0].message, " | ", problems[0].hint), HasSubstr(words));
}

TEST(LoadYaml, ReadsACluster) {
  const auto documents = LoadYaml(kOrders, "orders.yaml", nullptr);
  ASSERT_TRUE(documents.ok()) << documents.status();
  ASSERT_EQ(documents->size(), 1U);
  const v1::Cluster& cluster = documents->front().cluster;
  EXPECT_EQ(cluster.metadata().name(), "orders");
  EXPECT_EQ(cluster.metadata().labels().at("team"), "shop");
  EXPECT_EQ(cluster.spec().placement().nodes_size(), 3);
  EXPECT_EQ(cluster.spec().postgresql().version(), 14U);
  EXPECT_EQ(cluster.spec().postgresql().pg_hba(0).users(0), "orders_app");
  EXPECT_EQ(cluster.spec().failover().lease_ttl(), "10s");
  EXPECT_EQ(cluster.spec().failover().priority().at("db3"), 0U);
  EXPECT_TRUE(cluster.spec().roles(1).login());
  EXPECT_TRUE(ToModel(cluster, nullptr).ok()) << ToModel(cluster, nullptr).status();
}

TEST(LoadYaml, TextFieldsTakeAnyScalar) {
  const auto documents = LoadYaml(kOrders, "orders.yaml", nullptr);
  ASSERT_TRUE(documents.ok()) << documents.status();
  const v1::ClusterSpec& spec = documents->front().cluster.spec();
  EXPECT_EQ(spec.postgresql().parameters().at("max_connections"), "200");
  EXPECT_EQ(spec.postgresql().parameters().at("jit"), "off");
  EXPECT_EQ(spec.synchronous().data_durability(), "off");
}

TEST(LoadYaml, FindsTheLineOfAnyPath) {
  const auto documents = LoadYaml(kOrders, "orders.yaml", nullptr);
  ASSERT_TRUE(documents.ok()) << documents.status();
  const ClusterDocument& document = documents->front();
  EXPECT_EQ(document.Locate("spec.placement.nodes[1]"), "orders.yaml:5:28");
  EXPECT_EQ(document.Locate("spec.postgresql.parameters.pg_stat_statements.max"),
            "orders.yaml:13:31");
  EXPECT_EQ(document.Locate("spec.roles[1].access[0].preset"), "orders.yaml:21:75");
  // Not written in the file: the nearest thing around it.
  EXPECT_EQ(document.Locate("spec.failover.detectAfter"), document.Locate("spec.failover"));
  EXPECT_EQ(document.Locate("spec.dns.primary"), document.Locate("spec"));
  EXPECT_EQ(document.Locate("nowhere"), "orders.yaml:1:1");
}

TEST(LoadYaml, UnknownFieldsAreNamedWithTheNearest) {
  ExpectOne("kind: Cluster\nspec:\n  postgresql:\n    versoin: 14\n", "orders.yaml:4:5",
            "unknown field \"versoin\" in spec.postgresql | Did you mean \"version\"? Allowed: "
            "version, port, parameters, pgHba.");
  ExpectOne("kind: Cluster\nspecs: {}\n", "orders.yaml:2:1",
            "unknown field \"specs\" at the top level | Did you mean \"spec\"?");
  ExpectOne("kind: Cluster\nspec: {placement: {zone: a}}\n", "orders.yaml:2:20",
            "Allowed: nodes, witness.");
  ExpectOne("kind: Cluster\nspec: {roles: [{name: a}, {nmae: b}]}\n", "orders.yaml:2:28",
            "in spec.roles[1]");
}

TEST(LoadYaml, WrongTypesAreNamed) {
  ExpectOne("kind: Cluster\nspec: {postgresql: {port: abc}}\n", "orders.yaml:2:27",
            "spec.postgresql.port must be a whole number, not \"abc\"");
  ExpectOne("kind: Cluster\nspec: {postgresql: {port: -1}}\n", "orders.yaml:2:27", "whole number");
  ExpectOne("kind: Cluster\nspec: {postgresql: {port: 1e3}}\n", "orders.yaml:2:27", "whole number");
  ExpectOne("kind: Cluster\nspec: {placement: {nodes: db1}}\n", "orders.yaml:2:27",
            "spec.placement.nodes must be a list, not \"db1\"");
  ExpectOne("kind: Cluster\nspec: [a]\n", "orders.yaml:2:7", "spec must be a mapping, not a list");
  ExpectOne("kind: Cluster\nmetadata: {name: [a]}\n", "orders.yaml:2:18",
            "metadata.name must be text, not a list");
  ExpectOne("kind: Cluster\nspec: {roles: [{name: a, login: maybe}]}\n", "orders.yaml:2:33",
            "true or false");
  ExpectOne("kind: Cluster\nspec: {postgresql: {parameters: [a]}}\n", "orders.yaml:2:33",
            "a mapping of names to values");
  ExpectOne("kind: Cluster\nspec: {postgresql: {parameters: {work_mem: }}}\n", "orders.yaml:2:34",
            "spec.postgresql.parameters.work_mem");
  ExpectOne("- a\n- b\n", "orders.yaml:1:1", "must be a mapping");
}

TEST(LoadYaml, DuplicateKeysAreRefused) {
  ExpectOne("kind: Cluster\nspec:\n  placement: {nodes: [a]}\n  placement: {nodes: [b]}\n",
            "orders.yaml:4:3",
            "\"placement\" is there twice in spec | The first one is on line 3; keep one.");
  ExpectOne("kind: Cluster\nspec:\n  postgresql:\n    parameters:\n      jit: on\n      jit: off\n",
            "orders.yaml:6:7", "\"jit\" is there twice");
}

TEST(LoadYaml, SaysEverythingAtOnce) {
  const std::vector<YamlProblem> problems = ProblemsOf(
      "kind: Cluster\nmetdata: {}\nspec:\n  postgresql: {port: x, vers: 1}\n---\nkind: Clutser\n");
  ASSERT_EQ(problems.size(), 4U);
  EXPECT_EQ(problems[0].where, "orders.yaml:2:1");
  EXPECT_EQ(problems[3].where, "orders.yaml:6:7");
  EXPECT_THAT(problems[3].hint, HasSubstr("Cluster"));
}

TEST(LoadYaml, ReadsSeveralDocumentsAndIgnoresStatus) {
  const auto documents = LoadYaml(
      "---\nkind: Cluster\nmetadata: {name: a}\nstatus: {phase: Healthy}\n---\n\n---\n"
      "kind: Cluster\nmetadata: {name: b}\n",
      "two.yaml", nullptr);
  ASSERT_TRUE(documents.ok()) << documents.status();
  ASSERT_EQ(documents->size(), 2U);
  EXPECT_EQ(documents->at(1).cluster.metadata().name(), "b");
  EXPECT_EQ(documents->at(1).Locate("metadata.name"), "two.yaml:9:18");
}

TEST(LoadYaml, AnchorsWorkAndMergeKeysAreRefused) {
  const auto documents = LoadYaml(
      "kind: Cluster\nspec:\n  placement: {nodes: &n [a]}\n  roles:\n"
      "    - {name: x, access: &acc [{database: d}]}\n    - {name: y, access: *acc}\n",
      "a.yaml", nullptr);
  ASSERT_TRUE(documents.ok()) << documents.status();
  EXPECT_EQ(documents->front().cluster.spec().roles(1).access(0).database(), "d");
  ExpectOne("kind: Cluster\nspec:\n  placement:\n    <<: {nodes: [a]}\n", "orders.yaml:4:5",
            "Merge keys are not supported");
}

TEST(LoadYaml, EmptyFieldsAreLeftOut) {
  const auto documents = LoadYaml("kind: Cluster\nspec:\n  dns:\n", "a.yaml", nullptr);
  ASSERT_TRUE(documents.ok()) << documents.status();
  EXPECT_FALSE(documents->front().cluster.spec().has_dns());
  EXPECT_EQ(documents->front().Locate("spec.dns"), "a.yaml:3:3");
}

TEST(LoadYaml, BrokenFilesAreErrorsWithAPlace) {
  ExpectOne("kind: Cluster\nspec: {a\n", "orders.yaml:3:1", "invalid YAML");
  ExpectOne("kind: Cluster\nspec: *nope\n", "orders.yaml:2:7", "invalid YAML");
  ExpectOne("", "orders.yaml:1:1", "no resource");
  ExpectOne("kind: Cluster\nmetadata: {name: \"\xff\"}\n", "orders.yaml:2:19", "not UTF-8");
  ExpectOne(std::string((1 << 20) + 1, '#'), "orders.yaml:1:1", "larger than 1 MiB");
}

TEST(LoadYaml, HostileNestingAndAliasesEnd) {
  EXPECT_FALSE(LoadYaml(std::string(100'000, '['), "deep.yaml", nullptr).ok());
  std::string bomb = "kind: Cluster\nspec:\n  roles:\n    - &r {name: a, access: &a [";
  for (int i = 0; i < 2000; ++i) {
    bomb += "{database: d},";
  }
  bomb += "]}\n";
  for (int i = 0; i < 2000; ++i) {
    bomb += "    - *r\n";
  }
  const std::vector<YamlProblem> problems = ProblemsOf(bomb);
  ASSERT_FALSE(problems.empty());
  EXPECT_THAT(problems[0].message, HasSubstr("100000 values"));
}

TEST(LoadYaml, TheStatusListsAllProblems) {
  const absl::Status status =
      LoadYaml("kind: Cluster\nx: 1\ny: 2\n", "orders.yaml", nullptr).status();
  EXPECT_THAT(FormatError(status), AllOf(HasSubstr("orders.yaml:2:1: unknown field \"x\""),
                                         HasSubstr("orders.yaml:3:1: unknown field \"y\"")));
}

TEST(ToYaml, IsReadBackTheSame) {
  v1::Cluster cluster = LoadYaml(kOrders, "orders.yaml", nullptr)->front().cluster;
  (*cluster.mutable_spec()->mutable_postgresql()->mutable_parameters())["search_path"] =
      "\"$user\", public: # x";
  const auto again = LoadYaml(ToYaml(cluster), "again.yaml", nullptr);
  ASSERT_TRUE(again.ok()) << again.status() << ToYaml(cluster);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(again->front().cluster, cluster))
      << ToYaml(cluster);
  EXPECT_THAT(ToYaml(cluster), HasSubstr("max_connections: \"200\""));
}

}  // namespace
}  // namespace pgmahout
