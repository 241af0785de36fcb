// SPDX-License-Identifier: Apache-2.0
// Why a server cannot be adopted as it runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/core/adopt.h"
#include "tests/unit/agent_core/existing_server.h"

namespace pgmahout::agent {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Refusal : public ::testing::Test {
 protected:
  std::vector<std::string> Reasons() const { return PlanAdoption(world_).refusals; }

  ExistingServer& server() { return *world_.observation.existing; }

  World world_ = WithExisting(Assignment::kPreview, /*as_primary=*/true);
};

TEST_F(Refusal, NoneForAServerThatIsWellSetUp) {
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(Refusal, NothingIsThere) {
  server() = ExistingServer{};
  server().place = "/srv/pg";
  EXPECT_THAT(Reasons(), ElementsAre("no PostgreSQL server was found; looked in /srv/pg"));
}

TEST_F(Refusal, ItDoesNotRun) {
  server().runs = false;
  EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("/srv/pg/14 does not run; start it")));
}

TEST_F(Refusal, ItDoesNotAnswer) {
  server().trouble = "Peer authentication failed";
  EXPECT_THAT(Reasons(), ElementsAre(AllOf(HasSubstr("Peer authentication failed"),
                                           HasSubstr("local all postgres peer"))));
}

TEST_F(Refusal, APrimaryThatIsAStandby) {
  server().in_recovery = true;
  EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("--primary")));
}

TEST_F(Refusal, AStandbyThatIsAPrimary) {
  world_ = WithExisting(Assignment::kPreview, /*as_primary=*/false);
  server().in_recovery = false;
  EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("a primary of its own runs here")));
}

TEST_F(Refusal, DataOfAnotherCluster) {
  world_.desired->system_identifier = 7;
  EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("the cluster has 7")));
  world_.desired->system_identifier = kSystemIdentifier;
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(Refusal, AnotherVersionOrPortThanTheSpecHas) {
  server().major = 15;
  Set(world_, "port", "5433");
  EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("spec.postgresql.version: 15"),
                                     HasSubstr("spec.postgresql.port: 5433")));
}

TEST_F(Refusal, FilesElsewhere) {
  server().foreign_files = {"/opt/pg_hba.conf"};
  EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("it reads /opt/pg_hba.conf")));
}

TEST_F(Refusal, NobodyCanFollowIt) {
  Set(world_, "wal_level", "minimal");
  Set(world_, "max_wal_senders", "0");
  EXPECT_THAT(Reasons(),
              ElementsAre(HasSubstr("ALTER SYSTEM SET wal_level = 'replica', then restart it"),
                          HasSubstr("max_wal_senders is 0, too few for 3 members")));
}

TEST_F(Refusal, TooFewSlots) {
  server().physical_slots = {"a", "b", "pgmahout_db1"};
  Set(world_, "max_replication_slots", "3");
  EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("but 4 are needed")));
  Set(world_, "max_replication_slots", "4");
  EXPECT_THAT(Reasons(), IsEmpty());
  server().settings.erase("max_replication_slots");
  EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("max_replication_slots is 0")));
}

TEST_F(Refusal, LogicalSlots) {
  server().logical_slots = {"sub1", "sub2"};
  EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("sub1, sub2")));
}

TEST_F(Refusal, StandbysThatWouldNotStart) {
  Set(world_, "max_connections", "500");
  EXPECT_THAT(Reasons(),
              ElementsAre(HasSubstr("spec.postgresql.parameters: max_connections: 500")));
  world_.desired->spec.parameters["max_connections"] = "500";
  EXPECT_THAT(Reasons(), IsEmpty());
  world_.desired->spec.parameters["max_connections"] = "many";
  EXPECT_THAT(Reasons(), IsEmpty()) << "PostgreSQL will refuse that itself";
}

TEST_F(Refusal, MoreConnectionsOnAStandbyHurtNobody) {
  world_ = WithExisting(Assignment::kPreview, /*as_primary=*/false);
  Set(world_, "max_connections", "500");
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(Refusal, NobodyReachesIt) {
  for (const char* addresses : {"localhost", "127.0.0.1", "10.0.0.3", "::"}) {
    Set(world_, "listen_addresses", addresses);
    EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("do not reach it at 10.0.0.2"))) << addresses;
  }
  for (const char* addresses : {"*", "localhost, 10.0.0.2", "0.0.0.0"}) {
    Set(world_, "listen_addresses", addresses);
    EXPECT_THAT(Reasons(), IsEmpty()) << addresses;
  }
  Set(world_, "listen_addresses", "localhost");
  for (const char* address : {"127.0.0.5", "::1"}) {
    world_.context.address = address;
    EXPECT_THAT(Reasons(), IsEmpty()) << address;
  }
  Set(world_, "listen_addresses", "::");
  EXPECT_THAT(Reasons(), IsEmpty());
  Set(world_, "listen_addresses", "localhost");
  world_.context.address = "10.0.0.2";
  world_.desired->members.resize(1);
  EXPECT_THAT(Reasons(), IsEmpty()) << "there is nobody else";
}

TEST_F(Refusal, AnArchiveThatTheSpecDoesNotHave) {
  for (const char* mode : {"on", "always"}) {
    Set(world_, "archive_mode", mode);
    EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("spec.archive"))) << mode;
  }
  world_.desired->spec.archive_directory = "/archive";
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(Refusal, SettingsOnTheCommandLine) {
  ExistingSetting& names = server().settings["synchronous_standby_names"];
  names = {"ANY 1 (x)", false, false, true};
  EXPECT_THAT(Reasons(), ElementsAre(HasSubstr("synchronous_standby_names is set on")));
  names.value = "";
  EXPECT_THAT(Reasons(), IsEmpty()) << "it says what we would";
  server().settings["listen_addresses"].fixed = true;
  EXPECT_THAT(Reasons(), IsEmpty()) << "it waits for a restart anyway";
}

}  // namespace
}  // namespace pgmahout::agent
