// SPDX-License-Identifier: Apache-2.0
// Which names pass our borders.
#include "common/pg/names.h"

#include <gtest/gtest.h>

#include <string>

#include "common/base/error.h"

namespace pgmahout {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace): "..."s with NUL

void ExpectRefused(const absl::Status& status, const std::string& name) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << "\"" << name << "\"";
  EXPECT_EQ(InfoOf(status).reason, "invalid-name");
  EXPECT_FALSE(InfoOf(status).hint.empty()) << "say what is allowed";
}

TEST(ObjectName, AllowsWhatIsSafeEverywhere) {
  for (const std::string& name : {"a"s, "db1"s, "db-1"s, "a--b"s, std::string(40, 'x')}) {
    EXPECT_TRUE(CheckObjectName("node", name).ok()) << name;
  }
}

TEST(ObjectName, RefusesTheRest) {
  for (const std::string& name :
       {""s, "1db"s, "-db"s, "db-"s, "Db1"s, "db_1"s, "db.1"s, "db 1"s, "db1\n"s, "db/../1"s,
        "d\"b"s, "dbé"s, "db\0"s, std::string(41, 'x')}) {
    ExpectRefused(CheckObjectName("node", name), name);
  }
}

TEST(ObjectName, ErrorTellsTheKindAndTheName) {
  const absl::Status status = CheckObjectName("cluster", "Orders");
  EXPECT_EQ(status.message(), "invalid cluster \"Orders\"");
}

TEST(RoleName, AllowsAnyIdentifier) {
  for (const std::string& name : {"app"s, "We\"ird role"s, "rôle"s, "a;drop table b"s,
                                  std::string(63, 'r'), "pgx"s, "Postgres"s}) {
    EXPECT_TRUE(CheckRoleName(name).ok()) << name;
  }
}

TEST(RoleName, RefusesReservedAndUnusable) {
  for (const std::string& name :
       {""s, "postgres"s, "public"s, "none"s, "pg_monitor"s, "pg_"s, "pgmahout_replication"s,
        "new\nline"s, "nul\0"s, "del\x7f"s, std::string(64, 'r')}) {
    ExpectRefused(CheckRoleName(name), name);
  }
}

TEST(DatabaseName, RefusesThoseOfTheServer) {
  EXPECT_TRUE(CheckDatabaseName("orders").ok());
  EXPECT_TRUE(CheckDatabaseName("pg_stuff").ok()) << "reserved for roles only";
  for (const std::string& name :
       {""s, "postgres"s, "template0"s, "template1"s, "tab\t"s, std::string(64, 'd')}) {
    ExpectRefused(CheckDatabaseName(name), name);
  }
}

TEST(ParameterName, IsOneFromPgSettings) {
  for (const std::string& name : {"work_mem"s, "pg_stat_statements.max"s, "_x"s, "a1"s}) {
    EXPECT_TRUE(CheckParameterName(name).ok()) << name;
  }
  for (const std::string& name : {""s, "1a"s, "Work_Mem"s, "work mem"s, "a=b"s, "a'"s, "a\n"s,
                                  "include-file"s, std::string(64, 'p')}) {
    ExpectRefused(CheckParameterName(name), name);
  }
}

TEST(SlotName, HasOnlyWhatPostgresAllows) {
  EXPECT_EQ(SlotNameOf("db1"), "pgmahout_db1");
  EXPECT_EQ(SlotNameOf("rack-7-db1"), "pgmahout_rack_7_db1");
  EXPECT_LE(SlotNameOf(std::string(40, 'x')).size(), 63U);
}

}  // namespace
}  // namespace pgmahout
