// SPDX-License-Identifier: Apache-2.0
// Making a data directory: what it holds, what an interrupted attempt leaves, what is not touched.
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/integration/agent_postgres/node.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

TEST(Initialize, ServerRunsWithChecksumsAndItsConfiguration) {
  const Site site;
  Node db1(site, "db1", "127.0.77.1");
  EXPECT_EQ(db1.Look().server, ServerState::kAbsent);
  ASSERT_NO_FATAL_FAILURE(db1.Bootstrap());

  const Observation seen = db1.Look();
  EXPECT_EQ(seen.server, ServerState::kRunning);
  EXPECT_TRUE(seen.postmaster_alive);
  EXPECT_TRUE(seen.data.exists);
  EXPECT_TRUE(seen.data.complete);
  EXPECT_FALSE(seen.data.standby_signal);
  EXPECT_FALSE(seen.data.control.has_value()) << "pg_controldata of a running server is stale";
  EXPECT_EQ(absl::StrCat(seen.data.system_identifier),
            db1.Value("SELECT system_identifier FROM pg_control_system()"));
  ASSERT_TRUE(seen.sql.has_value());
  EXPECT_FALSE(seen.sql->in_recovery);
  EXPECT_EQ(seen.sql->timeline, 1u);
  EXPECT_FALSE(seen.sql->fork_lsn.valid());
  EXPECT_TRUE(seen.sql->write_lsn.valid());
  EXPECT_EQ(seen.sql->config_id, ConfigIdOf(db1.ConfigureStep().config));
  EXPECT_TRUE(absl::StartsWith(seen.sql->server_version, "15.")) << seen.sql->server_version;
  EXPECT_TRUE(seen.sql->config_errors.empty());
  EXPECT_TRUE(seen.sql->hba_errors.empty());
  EXPECT_GT(seen.sql->database_bytes.at("postgres"), 0u);
  EXPECT_GT(seen.disk_free_bytes, 0u);

  EXPECT_EQ(db1.Value("SHOW data_checksums"), "on");
  EXPECT_EQ(db1.Value("SHOW server_encoding"), "UTF8");
  EXPECT_EQ(db1.Value("SHOW listen_addresses"), "127.0.77.1");
  EXPECT_EQ(db1.Value("SHOW ssl"), "on");
  EXPECT_EQ(fs::status(db1.DataRoot() + "/tls/server.key").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(Slurp(db1.DataRoot() + "/replication.pass"),
            "*:*:*:pgmahout_replication:re\\:pli\\\\ca'tion\n");
}

TEST(Initialize, StoppedServerShowsItsControlData) {
  const Site site;
  Node db1(site, "db1", "127.0.77.1");
  ASSERT_NO_FATAL_FAILURE(db1.Bootstrap());
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());

  const Observation seen = db1.Look();
  EXPECT_EQ(seen.server, ServerState::kStopped);
  EXPECT_FALSE(seen.postmaster_alive);
  EXPECT_FALSE(seen.orphans);
  ASSERT_TRUE(seen.data.control.has_value());
  EXPECT_EQ(seen.data.control->state, "shut down");
  EXPECT_EQ(seen.data.control->timeline, 1u);
  EXPECT_TRUE(seen.data.control->checkpoint_lsn.valid());
  EXPECT_EQ(seen.data.control->system_identifier, seen.data.system_identifier);
}

TEST(Initialize, LeftoversOfAnInterruptedAttemptDoNotMatter) {
  const Site site;
  Node db1(site, "db1", "127.0.77.1");
  const std::string partial = db1.DataRoot() + "/pgdata.1.partial";
  fs::create_directories(partial + "/base");
  ASSERT_TRUE(WriteFileAtomically(partial + "/PG_VERSION", "15\n", 0600).ok());

  const absl::Status status = db1.Run(db1.NewDataStep(StepKind::kInitialize));
  ASSERT_TRUE(status.ok()) << FormatError(status);
  EXPECT_FALSE(FileExists(partial));
  EXPECT_TRUE(FileExists(db1.DataRoot() + "/pgdata.1/global/pg_control"));
}

TEST(Initialize, DirectoryThatWasMadeButNotRememberedIsUsed) {
  const Site site;
  Node db1(site, "db1", "127.0.77.1");
  ASSERT_TRUE(db1.Run(db1.NewDataStep(StepKind::kInitialize)).ok());
  const uint64_t identifier = db1.Look().data.system_identifier;
  db1.memory.data_number = 0;

  ASSERT_TRUE(db1.Run(db1.NewDataStep(StepKind::kInitialize)).ok());
  EXPECT_EQ(db1.memory.data_number, 1u);
  EXPECT_EQ(db1.Look().data.system_identifier, identifier);
}

TEST(Initialize, DirectoryThatWasInUseIsRefusedAndLeftUntouched) {
  const Site site;
  Node db1(site, "db1", "127.0.77.1");
  ASSERT_NO_FATAL_FAILURE(db1.Bootstrap());
  db1.Sql("CREATE TABLE public.precious AS SELECT 1 AS x");
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());
  const std::string control = Slurp(db1.DataDirectory() + "/global/pg_control");
  db1.memory.data_number = 0;  // the agent's state directory was lost

  for (const StepKind kind : {StepKind::kInitialize, StepKind::kBaseBackup}) {
    const absl::Status status = db1.Run(db1.NewDataStep(kind));
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), db1.DataRoot() + "/pgdata.1")) << status;
    EXPECT_FALSE(InfoOf(status).hint.empty());
  }
  EXPECT_EQ(Slurp(db1.DataRoot() + "/pgdata.1/global/pg_control"), control);
}

TEST(Initialize, UnknownVersionSaysWhatToInstall) {
  const Site site;
  Node db1(site, "db1", "127.0.77.1");
  db1.desired.spec.postgres_major = 13;
  const absl::Status status = db1.Run(db1.NewDataStep(StepKind::kInitialize));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "PostgreSQL 13")) << status;
  EXPECT_FALSE(InfoOf(status).hint.empty());
}

}  // namespace
}  // namespace pgmahout::agent
