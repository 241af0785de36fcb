// SPDX-License-Identifier: Apache-2.0
// The agent's metrics as Prometheus reads them: names, labels, values, and no invalid scrape.
#include "agent/exporter/agent_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/unit/exporter/snapshots.h"

namespace pgmahout::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string TextOf(const Snapshot& snapshot, Duration age = Duration{1'000}) {
  return MetricsOf("db1", snapshot, kNow - age, kNow).Text();
}

// What makes Prometheus reject a scrape: a sample without its type, or one that comes twice.
void ExpectValidScrape(const std::string& text) {
  std::set<std::string> typed;
  std::set<std::string> helped;
  std::set<std::string> samples;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (absl::StartsWith(line, "# ")) {
      std::set<std::string>& known = words[1] == "TYPE" ? typed : helped;
      EXPECT_TRUE(known.insert(words[2]).second) << "twice: " << line;
      continue;
    }
    const std::string series = line.substr(0, line.rfind(' '));
    EXPECT_TRUE(samples.insert(series).second) << "twice: " << series;
    const std::string name = line.substr(0, line.find_first_of("{ "));
    EXPECT_EQ(typed.count(name), 1) << name << " has no type";
    EXPECT_EQ(helped.count(name), 1) << name << " has no help";
  }
}

TEST(AgentMetrics, EveryScrapeIsValid) {
  for (Snapshot snapshot : {PrimarySnapshot(), StandbySnapshot(), Snapshot{}}) {
    ExpectValidScrape(TextOf(snapshot));
    ExpectValidScrape(TextOf(snapshot, Duration{60'000}));
    snapshot.observation.sql.reset();
    snapshot.report.server = ServerState::kHung;
    ExpectValidScrape(TextOf(snapshot));
  }
}

TEST(AgentMetrics, APrimaryHasPostgresExportersNames) {
  const std::string text = TextOf(PrimarySnapshot());
  for (const char* line : {
           "# TYPE pg_up gauge\npg_up 1\n",
           "pg_static{version=\"PostgreSQL 14.23\",short_version=\"14.23.0\"} 1\n",
           "pg_replication_is_replica 0\n",
           "pg_replication_lag_seconds 0\n",
           "pg_stat_replication_pg_wal_lsn_diff{application_name=\"db2\",state=\"streaming\"} "
           "1000\n",
           "pg_stat_replication_pg_wal_lsn_diff{application_name=\"db3\",state=\"catchup\"} "
           "5000000\n",
           "pg_replication_slot_slot_is_active{slot_name=\"pgmahout_db2\",slot_type=\"physical\"} "
           "1\n",
           "pg_replication_slot_slot_current_wal_lsn{slot_name=\"pgmahout_db2\","
           "slot_type=\"physical\"} 10000000\n",
           "pg_replication_slots_active{slot_name=\"pgmahout_db3\"} 0\n",
           "pg_replication_slots_pg_wal_lsn_diff{slot_name=\"pgmahout_db2\"} 1000000\n",
           "# TYPE pg_stat_archiver_archived_count counter\npg_stat_archiver_archived_count 77\n",
           "pg_stat_archiver_failed_count 3\n",
           "pg_database_size_bytes{datname=\"app\"} 8000000\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(AgentMetrics, APrimaryShowsItsRightToWrite) {
  const std::string text = TextOf(PrimarySnapshot());
  for (const char* line : {
           "pgmahout_agent_info{node=\"db1\",version=\"0.1.0\",cluster=\"orders\"} 1\n",
           "pgmahout_agent_connected 1\n",
           "pgmahout_agent_epoch 4\n",
           "pgmahout_agent_writable 1\n",
           "pgmahout_agent_lease_remaining_seconds 8\n",
           "pgmahout_agent_snapshot_age_seconds 1\n",
           "# TYPE pgmahout_agent_steps_total counter\npgmahout_agent_steps_total 12\n",
           "pgmahout_agent_step_failures_total 2\n",
           "pgmahout_postgres_role{role=\"primary\"} 1\n",
           "pgmahout_postgres_role{role=\"standby\"} 0\n",
           "pgmahout_postgres_timeline 3\n",
           "pgmahout_postgres_wal_bytes 10000000\n",
           "pgmahout_data_disk_free_bytes 5000000000\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(AgentMetrics, ALeaseThatIsOverHasNothingLeft) {
  Snapshot primary = PrimarySnapshot();
  primary.lease->deadline = kNow - Duration{1};
  EXPECT_THAT(TextOf(primary), HasSubstr("pgmahout_agent_lease_remaining_seconds 0\n"));
}

TEST(AgentMetrics, AStandbyShowsItsLag) {
  const std::string text = TextOf(StandbySnapshot());
  for (const char* line : {
           "pg_replication_is_replica 1\n",
           "pg_replication_lag_seconds 1.5\n",
           "pgmahout_postgres_role{role=\"standby\"} 1\n",
           "pgmahout_postgres_wal_bytes 10000000\n",
           "pgmahout_postgres_replayed_bytes 9000000\n",
           "pgmahout_postgres_receiver_streaming 1\n",
           "pgmahout_agent_writable 0\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("pg_replication_slots_pg_wal_lsn_diff")));
}

TEST(AgentMetrics, TheDiskIsShownBeforeItIsFull) {
  Snapshot primary = PrimarySnapshot();
  primary.report.disk_bytes = 1'000;
  EXPECT_THAT(TextOf(primary), HasSubstr("pgmahout_data_disk_bytes 1000\n"));
  EXPECT_THAT(TextOf(primary), HasSubstr("pgmahout_data_disk_writable 1\n"));
  EXPECT_THAT(TextOf(primary), Not(HasSubstr("pgmahout_data_disk_full_in_seconds")));
  primary.report.disk_full_in = Duration{90'000};
  primary.observation.disk.error = "Read-only file system";
  EXPECT_THAT(TextOf(primary), HasSubstr("pgmahout_data_disk_full_in_seconds 90\n"));
  EXPECT_THAT(TextOf(primary), HasSubstr("pgmahout_data_disk_writable 0\n"));
}

TEST(AgentMetrics, AServerThatDoesNotAnswerShowsOldValuesOfNothing) {
  Snapshot hung = PrimarySnapshot();
  hung.report.server = ServerState::kHung;
  const std::string text = TextOf(hung);
  EXPECT_THAT(text, HasSubstr("pg_up 0\n"));
  EXPECT_THAT(text, HasSubstr("pgmahout_agent_connected 1\n"));
  for (const char* name : {"pg_static", "pg_replication_", "pg_stat_", "pg_database_"}) {
    EXPECT_THAT(text, Not(HasSubstr(name)));
  }
}

TEST(AgentMetrics, ADeadLoopShowsThatNothingIsKnown) {
  const std::string text = TextOf(PrimarySnapshot(), Duration{5'000});
  EXPECT_THAT(text, HasSubstr("pg_up 0\n"));
  EXPECT_THAT(text, HasSubstr("pgmahout_agent_snapshot_age_seconds 5\n"));
  EXPECT_THAT(text, HasSubstr("pgmahout_agent_info{"));
  for (const char* name : {"writable", "lease", "role", "connected", "pg_stat_"}) {
    EXPECT_THAT(text, Not(HasSubstr(name)));
  }
}

TEST(AgentMetrics, AStandbyWithTwoWalsendersComesOnce) {
  Snapshot primary = PrimarySnapshot();
  primary.report.attached.push_back(primary.report.attached[0]);
  ExpectValidScrape(TextOf(primary));
}

TEST(AgentMetrics, AStepIsNamedWithoutItsProgress) {
  Snapshot standby = StandbySnapshot();
  EXPECT_THAT(TextOf(standby), HasSubstr("pgmahout_agent_blocked 0\n"));
  EXPECT_THAT(TextOf(standby), Not(HasSubstr("pgmahout_agent_step{")));
  standby.report.step = "base-backup 42%";
  EXPECT_THAT(TextOf(standby),
              HasSubstr("pgmahout_agent_step{step=\"base-backup\",error=\"\"} 1\n"));
  standby.report.step_error = "no \"space\"";
  const std::string text = TextOf(standby);
  EXPECT_THAT(text, HasSubstr("pgmahout_agent_blocked 1\n"));
  EXPECT_THAT(text, HasSubstr("{step=\"base-backup\",error=\"no \\\"space\\\"\"} 1\n"));
}

TEST(AgentMetrics, ALongErrorIsCutBetweenCharacters) {
  Snapshot standby = StandbySnapshot();
  standby.report.step = "start";
  standby.report.step_error = std::string(159, 'x') + "\xc3\xa4 and more";
  EXPECT_THAT(TextOf(standby), HasSubstr(absl::StrCat("error=\"", std::string(159, 'x'), "\"}")));
}

}  // namespace
}  // namespace pgmahout::agent
