// SPDX-License-Identifier: Apache-2.0
// Debian's clusters: what their units are called, and where their files are.
#include "agent/postgres/debian_cluster.h"

#include <gtest/gtest.h>

#include "agent/postgres/layout.h"

namespace pgmahout::agent {
namespace {

TEST(DebianCluster, IsNamedByItsUnit) {
  EXPECT_EQ(DebianClusterOf("postgresql@14-main.service"), (DebianCluster{14, "main"}));
  EXPECT_EQ(DebianClusterOf("postgresql@17-my-own.service"), (DebianCluster{17, "my-own"}));
}

TEST(DebianCluster, IsNotNamedByOtherUnits) {
  for (const char* unit : {"postgresql.service", "postgresql@14.service", "postgresql@14-.service",
                           "postgresql@x-main.service", "postgresql@14-main", "ssh.service", ""}) {
    EXPECT_FALSE(DebianClusterOf(unit).has_value()) << unit;
  }
}

TEST(DebianCluster, HasItsFilesWhereDebianUsersLookForThem) {
  InstanceConfig config;
  config.data_root = "/var/lib/postgresql/14/main";
  config.debian_cluster = DebianCluster{14, "main"};
  config.config_directory = "/etc/postgresql/14/main";
  config.socket_directory = "/var/run/postgresql";
  config.log_directory = "/var/log/postgresql";
  const Layout layout(config);
  const std::string data = layout.DataDirectory(3);
  EXPECT_EQ(data, "/var/lib/postgresql/14/main/pgdata.3");
  EXPECT_EQ(layout.ConfigFile(data), "/etc/postgresql/14/main/conf.d/90-pgmahout.conf");
  EXPECT_EQ(layout.HbaFile(data), "/etc/postgresql/14/main/pg_hba.conf");
  EXPECT_EQ(layout.SocketDirectory(), "/var/run/postgresql");
  EXPECT_EQ(layout.LogDirectory(), "/var/log/postgresql");
}

TEST(DebianCluster, ElseEverythingIsBelowTheDataRoot) {
  InstanceConfig config;
  config.data_root = "/srv/pg";
  const Layout layout(config);
  EXPECT_EQ(layout.ConfigFile(layout.DataDirectory(1)), "/srv/pg/pgdata.1/pgmahout.conf");
  EXPECT_EQ(layout.HbaFile(layout.DataDirectory(1)), "/srv/pg/pgdata.1/pg_hba.conf");
  EXPECT_EQ(layout.SocketDirectory(), "/srv/pg/run");
}

}  // namespace
}  // namespace pgmahout::agent
