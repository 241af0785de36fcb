// SPDX-License-Identifier: Apache-2.0
// Finding a server that somebody else has made, by its files.
#include "agent/postgres/existing_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/durable_file.h"
#include "tests/unit/net/temporary_directory.h"

namespace pgmahout::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(DataDirectoryIn, IsTheLastOneThatIsSet) {
  EXPECT_EQ(DataDirectoryIn("data_directory = '/var/lib/postgresql/14/main'\t# use data\n"),
            "/var/lib/postgresql/14/main");
  EXPECT_EQ(DataDirectoryIn("data_directory='/a'\n  data_directory '/b'\n#data_directory = '/c'\n"),
            "/b");
  EXPECT_EQ(DataDirectoryIn("port = 5432\ndata_directory = ConfigDir\n"), "");
  EXPECT_EQ(DataDirectoryIn("data_directory = '/open\n"), "");
}

TEST(RulesIn, HaveSingleSpacesAndNoPasswords) {
  EXPECT_THAT(RulesIn("# comment\n\nhost  all\tall 10.0.0.0/8   md5 \n  # another\n"
                      "host all all all ldap ldapserver=x ldapbindpasswd=hush\n"
                      "host all all all radius radiussecrets=hush\n"),
              ElementsAre("host all all 10.0.0.0/8 md5",
                          "host all all all ldap ldapserver=x ldapbindpasswd=(not shown)",
                          "host all all all radius radiussecrets=(not shown)"));
}

class Existing : public ::testing::Test {
 protected:
  ExistingServer Look(InstanceConfig config, uint64_t data_number = 0) {
    Memory memory;
    memory.data_number = data_number;
    return LookAtExisting(Layout(std::move(config)), memory, SystemClock().Now() + Duration{1'000});
  }

  std::string MakeData(const std::string& name) {
    const std::string path = directory_.path() + "/" + name;
    EXPECT_TRUE(MakeDirectories(path + "/global", 0700).ok());
    EXPECT_TRUE(WriteFileAtomically(path + "/PG_VERSION", "15\n", 0600).ok());
    EXPECT_TRUE(WriteFileAtomically(path + "/global/pg_control",
                                    std::string("\1\0\0\0\0\0\0\0rest", 12), 0600)
                    .ok());
    return path;
  }

  InstanceConfig Config() {
    InstanceConfig config;
    config.data_root = directory_.path() + "/base";
    return config;
  }

  const pgmahout::testing::TemporaryDirectory directory_;
};

TEST_F(Existing, IsNothingWhereNobodyNamesOne) {
  const ExistingServer server = Look(Config());
  EXPECT_EQ(server.data_directory, "");
  EXPECT_THAT(server.place, HasSubstr("postgres.existingData"));
}

TEST_F(Existing, IsWhatAgentYamlNames) {
  InstanceConfig config = Config();
  config.existing_data = directory_.path() + "/data";
  EXPECT_EQ(Look(config).data_directory, "") << "nothing is there yet";
  EXPECT_EQ(Look(config).place, config.existing_data);
  MakeData("data");
  const ExistingServer server = Look(config);
  EXPECT_EQ(server.data_directory, config.existing_data);
  EXPECT_EQ(server.system_identifier, 1U);
  EXPECT_FALSE(server.runs);
}

TEST_F(Existing, IsWhatTheDebianClusterNames) {
  InstanceConfig config = Config();
  config.debian_cluster = DebianCluster{15, "main"};
  config.config_directory = directory_.path();
  const std::string data = MakeData("data");
  ASSERT_TRUE(WriteFileAtomically(directory_.path() + "/postgresql.conf",
                                  "data_directory = '" + data + "'\n", 0600)
                  .ok());
  EXPECT_EQ(Look(config).data_directory, data);
  EXPECT_EQ(Look(config).place, directory_.path());
}

TEST_F(Existing, IsOursOfBeforeWhereThereIsOne) {
  MakeData("base/pgdata.2");
  InstanceConfig config = Config();
  config.existing_data = MakeData("data");
  EXPECT_THAT(Look(config, 2).data_directory, HasSubstr("/base/pgdata.2"));
}

}  // namespace
}  // namespace pgmahout::agent
