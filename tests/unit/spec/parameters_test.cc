// SPDX-License-Identifier: Apache-2.0
// Which configuration parameters a spec may set, and to what.
#include "common/wire/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/base/error.h"
#include "common/pg/names.h"
#include "common/wire/parameter_table.h"

namespace pgmahout {
namespace {

using ::testing::HasSubstr;

TEST(Parameters, OwnedOnesAreRefused) {
  for (const char* name : {"listen_addresses",
                           "port",
                           "unix_socket_directories",
                           "hba_file",
                           "data_directory",
                           "include_dir",
                           "archive_mode",
                           "archive_command",
                           "restore_command",
                           "primary_conninfo",
                           "synchronous_standby_names",
                           "ssl",
                           "ssl_key_file",
                           "ssl_passphrase_command",
                           "cluster_name",
                           "fsync",
                           "full_page_writes",
                           "wal_log_hints",
                           "log_directory",
                           "recovery_target_time",
                           "recovery_min_apply_delay",
                           "archive_library",
                           "jit_provider",
                           "dynamic_library_path",
                           "some_new_command",
                           "restore_library"}) {
    EXPECT_TRUE(IsOwnedParameter(name)) << name;
    const absl::Status status = CheckParameter(name, "x");
    EXPECT_EQ(InfoOf(status).reason, "owned-parameter") << name;
  }
  EXPECT_FALSE(IsOwnedParameter("recovery_prefetch"));
  EXPECT_FALSE(IsOwnedParameter("log_min_duration_statement"));
}

TEST(Parameters, PostgresUnitsAreUnderstood) {
  EXPECT_TRUE(CheckParameter("shared_buffers", "128MB").ok());
  EXPECT_TRUE(CheckParameter("shared_buffers", "16").ok());
  EXPECT_TRUE(CheckParameter("work_mem", "1.5GB").ok());
  EXPECT_TRUE(CheckParameter("work_mem", "64 kB").ok());
  EXPECT_TRUE(CheckParameter("log_min_duration_statement", "500ms").ok());
  EXPECT_TRUE(CheckParameter("log_min_duration_statement", "-1").ok());
  EXPECT_TRUE(CheckParameter("max_slot_wal_keep_size", "-1").ok());
  EXPECT_TRUE(CheckParameter("checkpoint_timeout", "15min").ok());
  EXPECT_TRUE(CheckParameter("vacuum_cost_delay", "0.5").ok());
  EXPECT_TRUE(CheckParameter("autovacuum_vacuum_scale_factor", "0.01").ok());
  EXPECT_TRUE(CheckParameter("jit", "OFF").ok());
  EXPECT_TRUE(CheckParameter("wal_compression", "lz4").ok());
  EXPECT_TRUE(CheckParameter("default_transaction_isolation", "repeatable read").ok());
}

TEST(Parameters, ImpossibleValuesAreRefusedWithTheRange) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"max_connections", "0"},
                                                        {"max_connections", "262144"},
                                                        {"max_connections", "many"},
                                                        {"max_connections", "100MB"},
                                                        {"shared_buffers", "64kB"},
                                                        {"shared_buffers", "1MiB"},
                                                        {"work_mem", "64K"},
                                                        {"work_mem", ""},
                                                        {"checkpoint_timeout", "10s"},
                                                        {"checkpoint_timeout", "2d"},
                                                        {"checkpoint_completion_target", "1.1"},
                                                        {"jit", "maybe"},
                                                        {"log_statement", "everything"},
                                                        {"max_wal_size", "16MB"}}) {
    const absl::Status status = CheckParameter(name, value);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name << " = " << value;
    EXPECT_THAT(InfoOf(status).hint, HasSubstr("Allowed")) << name << " = " << value;
  }
  EXPECT_THAT(InfoOf(CheckParameter("max_connections", "0")).hint, HasSubstr("1 to 262143"));
}

TEST(Parameters, AMisspeltNameIsRefusedWithTheRightOne) {
  const absl::Status status = CheckParameter("max_conections", "100");
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_conections"));
  EXPECT_THAT(InfoOf(status).hint, HasSubstr("max_connections"));
}

TEST(Parameters, ExtensionsAndNewerVersionsPass) {
  EXPECT_TRUE(CheckParameter("pg_stat_statements.max", "10000").ok());
  EXPECT_TRUE(CheckParameter("io_combine_limit", "128kB").ok());
  EXPECT_TRUE(CheckParameter("lc_messages", "C").ok());
}

TEST(Parameters, MalformedNamesAndValuesAreRefused) {
  EXPECT_FALSE(CheckParameter("Work_Mem", "64kB").ok());
  EXPECT_FALSE(CheckParameter("work mem", "64kB").ok());
  EXPECT_FALSE(CheckParameter("search_path", "a\nfsync = off").ok());
  EXPECT_FALSE(CheckParameter("search_path", std::string(2000, 'x')).ok());
}

TEST(Parameters, LibrariesHaveNoPath) {
  EXPECT_TRUE(CheckParameter("shared_preload_libraries", "pg_stat_statements, auto_explain").ok());
  EXPECT_TRUE(CheckParameter("shared_preload_libraries", "").ok());
  EXPECT_FALSE(CheckParameter("shared_preload_libraries", "/tmp/evil.so").ok());
  EXPECT_FALSE(CheckParameter("session_preload_libraries", "../evil").ok());
}

TEST(ParameterNumber, IsInTheBaseUnit) {
  EXPECT_EQ(ParameterNumber({{"work_mem", "1MB"}}, "work_mem"), 1024);
  EXPECT_EQ(ParameterNumber({{"max_wal_senders", "10"}}, "max_wal_senders"), 10);
  EXPECT_FALSE(ParameterNumber({}, "max_wal_senders").has_value());
}

TEST(ParameterTable, IsSortedUniqueAndHoldsNoOwnedName) {
  std::set<std::string> seen;
  for (const ParameterRule& rule : ParameterTable()) {
    EXPECT_TRUE(seen.insert(std::string(rule.name)).second) << rule.name;
    EXPECT_FALSE(IsOwnedParameter(rule.name)) << rule.name;
    EXPECT_TRUE(CheckParameterName(rule.name).ok()) << rule.name;
    EXPECT_EQ(FindParameterRule(rule.name), &rule);
  }
}

}  // namespace
}  // namespace pgmahout
