// SPDX-License-Identifier: Apache-2.0
// A user's spec becomes our own values, or everything that is wrong with it is said at once.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/wire/convert.h"

namespace pgmahout {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Pair;

v1::Cluster Orders() {
  v1::Cluster cluster;
  cluster.set_api_version("pgmahout/v1");
  cluster.set_kind("Cluster");
  cluster.mutable_metadata()->set_name("orders");
  for (const char* node : {"db1", "db2", "db3"}) {
    cluster.mutable_spec()->mutable_placement()->add_nodes(node);
  }
  v1::Role* const owner = cluster.mutable_spec()->add_roles();
  owner->set_name("orders_owner");
  v1::Role* const app = cluster.mutable_spec()->add_roles();
  app->set_name("orders_app");
  app->set_login(true);
  app->add_access()->set_database("orders");
  v1::Database* const database = cluster.mutable_spec()->add_databases();
  database->set_name("orders");
  database->set_owner("orders_owner");
  database->add_extensions("pgcrypto");
  v1::HbaRule* const rule = cluster.mutable_spec()->mutable_postgresql()->add_pg_hba();
  rule->add_databases("orders");
  rule->add_users("orders_app");
  rule->set_source("10.20.0.0/16");
  return cluster;
}

std::vector<SpecViolation> ViolationsAfter(const std::function<void(v1::Cluster*)>& change) {
  v1::Cluster cluster = Orders();
  change(&cluster);
  std::vector<SpecViolation> violations;
  const auto spec = ToModel(cluster, &violations);
  EXPECT_EQ(spec.ok(), violations.empty());
  return violations;
}

// Exactly one violation, at `path`, whose message or hint holds `text`.
void ExpectOne(const std::function<void(v1::Cluster*)>& change,
               const std::string& path,
               const std::string& text) {
  const std::vector<SpecViolation> violations = ViolationsAfter(change);
  ASSERT_EQ(violations.size(), 1U) << StatusOf(violations);
  EXPECT_EQ(violations[0].path, path);
  EXPECT_THAT(absl::StrCat(violations[0].message, " ", violations[0].hint), HasSubstr(text));
}

TEST(ToModel, FillsInTheDefaults) {
  const auto spec = ToModel(Orders(), nullptr);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->tenant, "default");
  EXPECT_EQ(spec->postgres_major, 14U);
  EXPECT_EQ(spec->port, 5432);
  EXPECT_EQ(spec->synchronous.number, 1U);
  EXPECT_EQ(spec->synchronous.durability, DataDurability::kPreferred);
  EXPECT_EQ(spec->failover.detect_after, Duration(3'000));
  EXPECT_EQ(spec->failover.lease_ttl, Duration(10'000));
  EXPECT_EQ(spec->failover.max_lag_bytes, 1U << 20);
  EXPECT_TRUE(spec->failover.automatic);
  ASSERT_EQ(spec->hba.size(), 1U);
  EXPECT_EQ(spec->hba[0].type, "hostssl");
  EXPECT_EQ(spec->hba[0].method, "scram-sha-256");
  EXPECT_EQ(spec->roles[1].access[0].preset, "readwrite");
}

TEST(ToModel, SaysEverythingThatIsWrongAtOnce) {
  const std::vector<SpecViolation> violations = ViolationsAfter([](v1::Cluster* cluster) {
    cluster->set_kind("Clutser");
    cluster->mutable_spec()->mutable_placement()->add_nodes("db2");
    cluster->mutable_spec()->mutable_postgresql()->set_version(13);
    cluster->mutable_spec()->mutable_failover()->set_mode("automatc");
    cluster->mutable_spec()->mutable_roles(0)->set_name("postgres");
  });
  EXPECT_THAT(violations, ElementsAre(Field(&SpecViolation::path, "kind"),
                                      Field(&SpecViolation::path, "spec.placement.nodes[3]"),
                                      Field(&SpecViolation::path, "spec.postgresql.version"),
                                      Field(&SpecViolation::path, "spec.failover.mode"),
                                      Field(&SpecViolation::path, "spec.databases[0].owner"),
                                      Field(&SpecViolation::path, "spec.roles[0].name")));
}

TEST(ToModel, WordsAreRefusedWithTheNearestAndTheAllowedOnes) {
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_failover()->set_mode("automatc"); },
            "spec.failover.mode", "Did you mean \"automatic\"? Allowed: automatic, manual.");
  ExpectOne(
      [](v1::Cluster* c) { c->mutable_spec()->mutable_synchronous()->set_data_durability("none"); },
      "spec.synchronous.dataDurability", "Allowed: preferred, required, off.");
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_synchronous()->set_method("first"); },
            "spec.synchronous.method", "Allowed: any.");
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_failover()->set_on_crash("restrat"); },
            "spec.failover.onCrash", "Did you mean \"restart\"");
  ExpectOne(
      [](v1::Cluster* c) {
        c->mutable_spec()->mutable_roles(1)->mutable_access(0)->set_preset("read");
      },
      "spec.roles[1].access[0].preset", "readonly, readwrite");
}

TEST(ToModel, ChecksTheIdentity) {
  ExpectOne([](v1::Cluster* c) { c->clear_api_version(); }, "apiVersion", "pgmahout/v1");
  ExpectOne([](v1::Cluster* c) { c->mutable_metadata()->set_name("Orders"); }, "metadata.name",
            "lower-case");
  ExpectOne([](v1::Cluster* c) { c->mutable_metadata()->set_tenant("a b"); }, "metadata.tenant",
            "tenant");
}

TEST(ToModel, LabelsComeBackAsTheyWereWritten) {
  v1::Cluster cluster = Orders();
  (*cluster.mutable_metadata()->mutable_labels())["example.org/team"] = "shop \u00e9t\u00e9";
  (*cluster.mutable_metadata()->mutable_labels())["stage"] = "";
  const auto spec = ToModel(cluster, nullptr);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_THAT(spec->labels,
              ElementsAre(Pair("example.org/team", "shop \u00e9t\u00e9"), Pair("stage", "")));
  EXPECT_EQ(*ToModel(ToProto(*spec), nullptr), *spec);
}

TEST(ToModel, ChecksLabels) {
  const auto label = [](const std::string& key, const std::string& value) {
    return
        [key, value](v1::Cluster* c) { (*c->mutable_metadata()->mutable_labels())[key] = value; };
  };
  ExpectOne(label("a b", ""), "metadata.labels.a b", "letters");
  ExpectOne(label("", ""), "metadata.labels.", "letters");
  ExpectOne(label("-a", ""), "metadata.labels.-a", "both ends");
  ExpectOne(label(std::string(64, 'k'), ""), absl::StrCat("metadata.labels.", std::string(64, 'k')),
            "63");
  ExpectOne(label("a", std::string(64, 'v')), "metadata.labels.a", "63 bytes");
  ExpectOne(label("a", "two\nlines"), "metadata.labels.a", "control");
  ExpectOne(
      [](v1::Cluster* c) {
        for (int i = 0; i <= 64; ++i) {
          (*c->mutable_metadata()->mutable_labels())[absl::StrCat("l", i)] = "";
        }
      },
      "metadata.labels", "at most 64");
}

v1::Cluster TwoAndAWitness() {
  v1::Cluster cluster = Orders();
  v1::Placement& placement = *cluster.mutable_spec()->mutable_placement();
  placement.mutable_nodes()->RemoveLast();
  placement.set_witness("w1");
  return cluster;
}

TEST(ToModel, WitnessComesBackAsItWasWritten) {
  const auto spec = ToModel(TwoAndAWitness(), nullptr);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->witness, "w1");
  EXPECT_EQ(*ToModel(ToProto(*spec), nullptr), *spec);
}

TEST(ToModel, RefusesAWitnessWhereItCouldDoNothing) {
  const auto refused = [](const std::function<void(v1::ClusterSpec*)>& change) {
    v1::Cluster cluster = TwoAndAWitness();
    change(cluster.mutable_spec());
    std::vector<SpecViolation> violations;
    EXPECT_FALSE(ToModel(cluster, &violations).ok());
    EXPECT_THAT(violations, ElementsAre(Field(&SpecViolation::path, "spec.placement.witness")));
    return violations.empty() ? "" : violations[0].message;
  };
  EXPECT_THAT(refused([](auto* spec) { spec->mutable_placement()->set_witness("db2"); }),
              HasSubstr("is a member too"));
  EXPECT_THAT(refused([](auto* spec) { spec->mutable_placement()->set_witness("W 1"); }),
              HasSubstr("W 1"));
  EXPECT_THAT(refused([](auto* spec) { spec->mutable_placement()->add_nodes("db3"); }),
              HasSubstr("a cluster of 3"));
  EXPECT_THAT(
      refused([](auto* spec) { spec->mutable_synchronous()->set_data_durability("required"); }),
      HasSubstr("required"));
}

TEST(ToModel, ChecksTheNodes) {
  EXPECT_THAT(ViolationsAfter(
                  [](v1::Cluster* c) { c->mutable_spec()->mutable_placement()->clear_nodes(); }),
              Contains(Field(&SpecViolation::message, HasSubstr("at least one node"))));
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_placement()->set_nodes(1, "db1"); },
            "spec.placement.nodes[1]", "listed twice");
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_placement()->set_nodes(1, "DB_2"); },
            "spec.placement.nodes[1]", "DB_2");
  ExpectOne(
      [](v1::Cluster* c) {
        for (int i = 4; i <= 10; ++i) {
          c->mutable_spec()->mutable_placement()->add_nodes(absl::StrCat("db", i));
        }
      },
      "spec.placement.nodes", "at most 9");
}

TEST(ToModel, ChecksPortAndParameters) {
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_postgresql()->set_port(70000); },
            "spec.postgresql.port", "1 to 65535");
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_postgresql()->set_port(0); },
            "spec.postgresql.port", "1 to 65535");
  const auto set = [](const char* name, const char* value) {
    return [=](v1::Cluster* c) {
      (*c->mutable_spec()->mutable_postgresql()->mutable_parameters())[name] = value;
    };
  };
  ExpectOne(set("archive_command", "rm -rf /"), "spec.postgresql.parameters.archive_command",
            "belongs to pgmahout");
  ExpectOne(set("max_wal_senders", "4"), "spec.postgresql.parameters.max_wal_senders",
            "at least 5");
  ExpectOne(set("max_connections", "3"), "spec.postgresql.parameters.max_connections",
            "superuser_reserved_connections");
  ExpectOne(set("synchronous_commit", "local"), "spec.postgresql.parameters.synchronous_commit",
            "lose acknowledged commits");
  EXPECT_TRUE(ViolationsAfter(set("synchronous_commit", "remote_apply")).empty());
}

TEST(ToModel, ChecksClientRules) {
  const auto rule = [](const std::function<void(v1::HbaRule*)>& change) {
    return
        [=](v1::Cluster* c) { change(c->mutable_spec()->mutable_postgresql()->mutable_pg_hba(0)); };
  };
  const std::string path = "spec.postgresql.pgHba[0]";
  ExpectOne(rule([](v1::HbaRule* r) { r->set_method("md5"); }), path + ".method", "scram-sha-256");
  ExpectOne(rule([](v1::HbaRule* r) { r->set_type("local"); }), path + ".type", "hostssl");
  ExpectOne(rule([](v1::HbaRule* r) { r->set_source("10.20.0.0"); }), path + ".source", "mask");
  ExpectOne(rule([](v1::HbaRule* r) { r->set_source("10.20.0.0/33"); }), path + ".source", "mask");
  ExpectOne(rule([](v1::HbaRule* r) { r->set_source("10.20.3.4/16"); }), path + ".source",
            "10.20.0.0/16");
  ExpectOne(rule([](v1::HbaRule* r) { r->set_source("fd00::1/64"); }), path + ".source",
            "fd00::/64");
  ExpectOne(rule([](v1::HbaRule* r) { r->add_databases("replication"); }), path + ".databases[1]",
            "members only");
  ExpectOne(rule([](v1::HbaRule* r) { r->add_users("+admins"); }), path + ".users[1]", "+admins");
  ExpectOne(rule([](v1::HbaRule* r) { r->clear_users(); }), path + ".users", "write all");
  ExpectOne(rule([](v1::HbaRule* r) {
              r->set_type("host");
              r->set_method("cert");
            }),
            path + ".method", "hostssl");
}

TEST(ToModel, NeverOpensTheServerToEverybodyUnencrypted) {
  const auto everybody = [](const char* type, const char* method, const char* source) {
    return [=](v1::Cluster* c) {
      v1::HbaRule* const rule = c->mutable_spec()->mutable_postgresql()->mutable_pg_hba(0);
      rule->set_type(type);
      rule->set_method(method);
      rule->set_source(source);
    };
  };
  ExpectOne(everybody("host", "scram-sha-256", "0.0.0.0/0"), "spec.postgresql.pgHba[0].source",
            "unencrypted");
  ExpectOne(everybody("hostnossl", "scram-sha-256", "::/0"), "spec.postgresql.pgHba[0].source",
            "unencrypted");
  EXPECT_TRUE(ViolationsAfter(everybody("hostssl", "scram-sha-256", "0.0.0.0/0")).empty());
  EXPECT_TRUE(ViolationsAfter(everybody("host", "reject", "0.0.0.0/0")).empty());
}

TEST(ToModel, TheQuorumFitsTheMembers) {
  const auto number = [](uint32_t value) {
    return [=](v1::Cluster* c) { c->mutable_spec()->mutable_synchronous()->set_number(value); };
  };
  EXPECT_TRUE(ViolationsAfter(number(2)).empty());
  ExpectOne(number(3), "spec.synchronous.number", "1 to 2");
  ExpectOne(number(0), "spec.synchronous.number", "dataDurability: off");
  EXPECT_TRUE(ViolationsAfter([&](v1::Cluster* c) {
                number(0)(c);
                c->mutable_spec()->mutable_synchronous()->set_data_durability("off");
              }).empty());
}

TEST(ToModel, ASingleNodeIsFineUntilItIsAskedToWaitForAStandby) {
  const auto single = [](v1::Cluster* c) {
    c->mutable_spec()->mutable_placement()->clear_nodes();
    c->mutable_spec()->mutable_placement()->add_nodes("db1");
  };
  EXPECT_TRUE(ViolationsAfter(single).empty());
  ExpectOne(
      [&](v1::Cluster* c) {
        single(c);
        c->mutable_spec()->mutable_synchronous()->set_number(1);
      },
      "spec.synchronous.number", "dataDurability: off");
  ExpectOne(
      [&](v1::Cluster* c) {
        single(c);
        c->mutable_spec()->mutable_synchronous()->set_data_durability("required");
      },
      "spec.synchronous.dataDurability", "two nodes");
}

TEST(ToModel, TheLeaseKeepsItsInequality) {
  const auto lease = [](const char* text) {
    return [=](v1::Cluster* c) { c->mutable_spec()->mutable_failover()->set_lease_ttl(text); };
  };
  EXPECT_TRUE(ViolationsAfter(lease("8s")).empty());
  ExpectOne(lease("7999ms"), "spec.failover.leaseTTL", "leaseTTL - mu >= 3H + 2R");
  ExpectOne(lease("10m"), "spec.failover.leaseTTL", "8s to 5m");
  ExpectOne(lease("10"), "spec.failover.leaseTTL", "500ms, 3s");
}

TEST(ToModel, ChecksDetectionLagAndPriorities) {
  ExpectOne(
      [](v1::Cluster* c) { c->mutable_spec()->mutable_failover()->set_detect_after("100ms"); },
      "spec.failover.detectAfter", "500ms to 1m");
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_failover()->set_max_lag("1 mega"); },
            "spec.failover.maxLag", "1MiB");
  ExpectOne(
      [](v1::Cluster* c) {
        (*c->mutable_spec()->mutable_failover()->mutable_priority())["db9"] = 0;
      },
      "spec.failover.priority.db9", "not among");
}

TEST(ToModel, DnsNamesGetTheirFinalDot) {
  v1::Cluster cluster = Orders();
  cluster.mutable_spec()->mutable_dns()->set_primary("Orders-RW.db.example");
  cluster.mutable_spec()->mutable_dns()->set_standbys("orders-ro.db.example.");
  cluster.mutable_spec()->mutable_dns()->set_ttl("1m");
  const auto spec = ToModel(cluster, nullptr);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->dns.primary, "orders-rw.db.example.");
  EXPECT_EQ(spec->dns.standbys, "orders-ro.db.example.");
  EXPECT_EQ(spec->dns.ttl_seconds, 60U);
}

TEST(ToModel, ChecksDnsNames) {
  const auto primary = [](const std::string& name) {
    return [=](v1::Cluster* c) { c->mutable_spec()->mutable_dns()->set_primary(name); };
  };
  for (const std::string& name :
       {std::string("orders"), std::string("-x.example."), std::string("a..example."),
        std::string("*.example."), std::string("a_b.example."), std::string(64, 'a') + ".example.",
        std::string("."), std::string("a b.example.")}) {
    ExpectOne(primary(name), "spec.dns.primary", "DNS name");
  }
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_dns()->set_standbys("ro.example."); },
            "spec.dns.primary", "name of the primary");
  for (const char* ttl : {"500ms", "0s", "2h", "1500ms", "5"}) {
    ExpectOne(
        [&](v1::Cluster* c) {
          primary("rw.example.")(c);
          c->mutable_spec()->mutable_dns()->set_ttl(ttl);
        },
        "spec.dns.ttl", "1s to 1h");
  }
}

TEST(ToModel, TheArchiveIsAPlainAbsolutePath) {
  for (const char* directory : {"archive", "/", "/var/../etc", "/srv/a b", "/srv/$(reboot)",
                                "/srv/%p", "/srv/a;b", "/srv/'x'"}) {
    ExpectOne(
        [&](v1::Cluster* c) { c->mutable_spec()->mutable_archive()->set_directory(directory); },
        "spec.archive.directory", "absolute path");
  }
}

TEST(ToModel, NamesReferToEachOther) {
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_databases(0)->set_owner("nobody"); },
            "spec.databases[0].owner", "not among the roles");
  ExpectOne(
      [](v1::Cluster* c) {
        c->mutable_spec()->mutable_roles(1)->mutable_access(0)->set_database("other");
      },
      "spec.roles[1].access[0].database", "spec.databases");
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->add_roles()->set_name("orders_app"); },
            "spec.roles[2].name", "listed twice");
  ExpectOne([](v1::Cluster* c) { *c->mutable_spec()->add_databases() = c->spec().databases(0); },
            "spec.databases[1].name", "listed twice");
  ExpectOne([](v1::Cluster* c) { c->mutable_spec()->mutable_databases(0)->add_extensions("a'b"); },
            "spec.databases[0].extensions[1]", "extension");
}

ClusterSpec FullSpec() {
  v1::Cluster cluster = Orders();
  cluster.mutable_spec()->mutable_dns()->set_primary("rw.example.");
  cluster.mutable_spec()->mutable_archive()->set_directory("/var/lib/pgmahout/archive");
  cluster.mutable_spec()->mutable_synchronous()->set_data_durability("required");
  cluster.mutable_spec()->mutable_failover()->set_detect_after("1500ms");
  (*cluster.mutable_spec()->mutable_failover()->mutable_priority())["db3"] = 0;
  (*cluster.mutable_spec()->mutable_postgresql()->mutable_parameters())["work_mem"] = "8MB";
  return *ToModel(cluster, nullptr);
}

TEST(ToProto, GivesTheSameSpecBack) {
  const ClusterSpec spec = FullSpec();
  const auto again = ToModel(ToProto(spec), nullptr);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, spec);
}

TEST(SerializeSpec, SurvivesTheStore) {
  const ClusterSpec spec = FullSpec();
  const auto again = ParseSpec(SerializeSpec(spec));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, spec);
}

TEST(SerializeSpec, DamageIsDataLoss) {
  EXPECT_EQ(ParseSpec("{\"spec\":").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseSpec("{\"surprise\": 1}").status().code(), absl::StatusCode::kDataLoss);
}

TEST(StatusOfViolations, NamesTheFirstAndListsAll) {
  const absl::Status status = StatusOf({{"spec.a", "one", "Do this."}, {"spec.b", "two", ""}});
  EXPECT_THAT(FormatError(status), AllOf(HasSubstr("invalid spec: spec.a: one"),
                                         HasSubstr("spec.b: two"), HasSubstr("Do this.")));
}

}  // namespace
}  // namespace pgmahout
