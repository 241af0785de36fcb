// SPDX-License-Identifier: Apache-2.0
#include "agent/exporter/agent_metrics.h"

namespace pgmahout::agent {
namespace {

double Bytes(Lsn lsn) {
  return static_cast<double>(lsn.value);
}

void AddServer(const Snapshot& snapshot, Metrics* metrics) {
  const Report& report = snapshot.report;
  const bool up = report.server == ServerState::kRunning;
  metrics->Gauge("pg_up", "Whether a fresh connection to PostgreSQL was answered.", up ? 1 : 0);
  if (!up) {
    return;
  }
  const bool standby = report.role == ServerRole::kStandby;
  metrics->Gauge("pg_static", "Version of the server.", 1,
                 {{"version", report.server_version}, {"short_version", report.server_version}});
  metrics->Gauge("pg_replication_is_replica", "Whether the server is in recovery.",
                 standby ? 1 : 0);
  metrics->Gauge("pg_replication_lag_seconds",
                 "Age of the last replayed transaction while WAL waits to be replayed.",
                 static_cast<double>(report.replay_lag_milliseconds) / 1000.0);
  metrics->Gauge("pgmahout_postgres_timeline", "Timeline of the server.", report.timeline);
  metrics->Gauge("pgmahout_postgres_wal_bytes",
                 "WAL position in bytes: flushed on a primary, received on a standby.",
                 Bytes(standby ? report.receive_lsn : report.write_lsn));
  metrics->Gauge("pgmahout_postgres_replayed_bytes", "WAL position replayed, in bytes.",
                 Bytes(report.replay_lsn));
  metrics->Gauge("pgmahout_postgres_pending_restart", "Parameters that wait for a restart.",
                 static_cast<double>(report.pending_restart.size()));
}

void AddReplication(const Snapshot& snapshot, Metrics* metrics) {
  for (const Attached& standby : snapshot.report.attached) {
    metrics->Gauge("pg_stat_replication_pg_wal_lsn_diff",
                   "Bytes of WAL that the standby has not replayed yet.",
                   static_cast<double>(BytesBetween(standby.replay_lsn, snapshot.report.write_lsn)),
                   {{"application_name", standby.node},
                    {"state", standby.streaming ? "streaming" : "catchup"},
                    {"slot_name", ""}});
  }
  if (!snapshot.observation.sql.has_value()) {
    return;
  }
  for (const Slot& slot : snapshot.observation.sql->slots) {
    metrics->Gauge("pg_replication_slot_slot_is_active", "Whether the slot is in use.",
                   slot.active ? 1 : 0, {{"slot_name", slot.name}, {"slot_type", "physical"}});
  }
}

void AddArchiverAndSizes(const Snapshot& snapshot, Metrics* metrics) {
  if (!snapshot.observation.sql.has_value()) {
    return;
  }
  const SqlFacts& sql = *snapshot.observation.sql;
  metrics->Counter("pg_stat_archiver_archived_count", "WAL files archived.",
                   static_cast<double>(sql.archived_count));
  metrics->Counter("pg_stat_archiver_failed_count", "Failed attempts to archive a WAL file.",
                   static_cast<double>(sql.archive_failed_count));
  for (const auto& [database, bytes] : sql.database_bytes) {
    metrics->Gauge("pg_database_size_bytes", "Disk space used by the database.",
                   static_cast<double>(bytes), {{"datname", database}});
  }
}

void AddAgent(const std::string& node, const Snapshot& snapshot, BootTime now, Metrics* metrics) {
  const Report& report = snapshot.report;
  metrics->Gauge("pgmahout_agent_info", "Version of the agent.", 1,
                 {{"node", node}, {"version", report.agent_version}, {"cluster", report.cluster}});
  metrics->Gauge("pgmahout_agent_connected", "Whether the controller answers.",
                 snapshot.connected ? 1 : 0);
  metrics->Gauge("pgmahout_agent_epoch", "Highest epoch obeyed.",
                 static_cast<double>(report.epoch));
  metrics->Gauge("pgmahout_agent_writable", "Whether this node is the writable primary.",
                 report.writable_epoch != 0 && report.writable_epoch == report.epoch ? 1 : 0);
  const bool leased = snapshot.lease.has_value() && snapshot.lease->deadline > now;
  metrics->Gauge(
      "pgmahout_agent_lease_remaining_seconds",
      "How long this node may stay primary without an answer; 0 without a lease.",
      leased ? static_cast<double>((snapshot.lease->deadline - now).count()) / 1000.0 : 0.0);
  metrics->Counter("pgmahout_agent_steps_total", "Steps begun.",
                   static_cast<double>(snapshot.steps_run));
  metrics->Counter("pgmahout_agent_step_failures_total", "Steps that failed.",
                   static_cast<double>(snapshot.steps_failed));
  metrics->Gauge("pgmahout_agent_blocked", "Whether the agent does not get on, and where.",
                 report.step_error.empty() ? 0 : 1, {{"step", report.step}});
  metrics->Gauge("pgmahout_data_disk_free_bytes", "Free space where the data directory lies.",
                 static_cast<double>(report.disk_free_bytes));
}

}  // namespace

Metrics MetricsOf(const std::string& node, const Snapshot& snapshot, BootTime now) {
  Metrics metrics;
  AddServer(snapshot, &metrics);
  AddReplication(snapshot, &metrics);
  AddArchiverAndSizes(snapshot, &metrics);
  AddAgent(node, snapshot, now, &metrics);
  return metrics;
}

}  // namespace pgmahout::agent
