// SPDX-License-Identifier: Apache-2.0
#include "agent/exporter/agent_metrics.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/exporter/health.h"

namespace pgmahout::agent {
namespace {

double Bytes(Lsn lsn) {
  return static_cast<double>(lsn.value);
}

// At most `size` bytes of `text`, and no half character: Prometheus refuses labels that are not
// UTF-8.
std::string Utf8Prefix(const std::string& text, size_t size) {
  size_t end = std::min(size, text.size());
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
    --end;
  }
  return text.substr(0, end);
}

void AddUp(bool up, Metrics* metrics) {
  metrics->Gauge("pg_up", "Whether a fresh connection to PostgreSQL was answered.", up ? 1 : 0);
}

// postgres_exporter shows "14.23" as "14.23.0".
std::string ShortVersion(const std::string& version) {
  return absl::StrContains(version, '.') ? version + ".0" : version;
}

void AddServer(const Report& report, Metrics* metrics) {
  const bool standby = report.role == ServerRole::kStandby;
  metrics->Gauge("pg_static", "Version of the server.", 1,
                 {{"version", absl::StrCat("PostgreSQL ", report.server_version)},
                  {"short_version", ShortVersion(report.server_version)}});
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
  metrics->Gauge("pgmahout_postgres_receiver_streaming",
                 "Whether the server streams WAL from its upstream.",
                 report.receiver_streaming ? 1 : 0);
  metrics->Gauge("pgmahout_postgres_replay_paused", "Whether WAL replay is paused.",
                 report.replay_paused ? 1 : 0);
  metrics->Gauge("pgmahout_postgres_pending_restart", "Parameters that wait for a restart.",
                 static_cast<double>(report.pending_restart.size()));
}

void AddRole(const Report& report, Metrics* metrics) {
  for (const auto& [role, name] :
       {std::pair{ServerRole::kPrimary, "primary"}, std::pair{ServerRole::kStandby, "standby"},
        std::pair{ServerRole::kUnknown, "unknown"}}) {
    metrics->Gauge("pgmahout_postgres_role", "1 for the role the server is in.",
                   report.role == role ? 1 : 0, {{"role", name}});
  }
}

void AddStandbys(const Report& report, Metrics* metrics) {
  // A standby that reconnects has two walsenders for a while; one sample may come only once.
  std::set<std::pair<std::string, bool>> seen;
  for (const Attached& standby : report.attached) {
    if (!seen.emplace(standby.node, standby.streaming).second) {
      continue;
    }
    const Labels labels = {{"application_name", standby.node},
                           {"state", standby.streaming ? "streaming" : "catchup"}};
    metrics->Gauge("pg_stat_replication_pg_wal_lsn_diff",
                   "Bytes of WAL that the standby has not replayed yet.",
                   static_cast<double>(BytesBetween(standby.replay_lsn, report.write_lsn)), labels);
    metrics->Gauge("pg_stat_replication_pg_current_wal_lsn_bytes", "WAL position of the primary.",
                   Bytes(report.write_lsn), labels);
  }
}

void AddSlots(const SqlFacts& sql, Metrics* metrics) {
  for (const Slot& slot : sql.slots) {
    const Labels labels = {{"slot_name", slot.name}, {"slot_type", "physical"}};
    metrics->Gauge("pg_replication_slot_slot_is_active", "Whether the slot is in use.",
                   slot.active ? 1 : 0, labels);
    metrics->Gauge("pg_replication_slot_slot_current_wal_lsn",
                   "WAL position of the server, in bytes.",
                   Bytes(sql.in_recovery ? sql.receive_lsn : sql.write_lsn), labels);
    const Labels name = {{"slot_name", slot.name}};
    metrics->Gauge("pg_replication_slots_active", "Whether the slot is in use.",
                   slot.active ? 1 : 0, name);
    // A slot that was never used keeps no WAL back.
    if (!sql.in_recovery && slot.restart_lsn.valid()) {
      metrics->Gauge("pg_replication_slots_pg_wal_lsn_diff", "Bytes of WAL that the slot keeps.",
                     static_cast<double>(BytesBetween(slot.restart_lsn, sql.write_lsn)), name);
    }
  }
}

void AddArchiverAndSizes(const SqlFacts& sql, Metrics* metrics) {
  metrics->Counter("pg_stat_archiver_archived_count", "WAL files archived.",
                   static_cast<double>(sql.archived_count));
  metrics->Counter("pg_stat_archiver_failed_count", "Failed attempts to archive a WAL file.",
                   static_cast<double>(sql.archive_failed_count));
  for (const auto& [database, bytes] : sql.database_bytes) {
    metrics->Gauge("pg_database_size_bytes", "Disk space used by the database.",
                   static_cast<double>(bytes), {{"datname", database}});
  }
}

// "base-backup" of "base-backup 42%": progress would be a new series each time.
std::string StepName(const std::string& step) {
  return step.substr(0, step.find(' '));
}

void AddStep(const Report& report, Metrics* metrics) {
  constexpr size_t kErrorBytes = 160;  // a label is no log
  metrics->Gauge("pgmahout_agent_blocked", "Whether the agent does not get on.",
                 report.step_error.empty() ? 0 : 1);
  if (!report.step.empty()) {
    metrics->Gauge(
        "pgmahout_agent_step", "What the agent is doing, and why it does not get on.", 1,
        {{"step", StepName(report.step)}, {"error", Utf8Prefix(report.step_error, kErrorBytes)}});
  }
}

void AddDisk(const Snapshot& snapshot, Metrics* metrics) {
  const Report& report = snapshot.report;
  metrics->Gauge("pgmahout_data_disk_free_bytes",
                 "Free space where data and WAL lie; where there is less.",
                 static_cast<double>(report.disk_free_bytes));
  metrics->Gauge("pgmahout_data_disk_bytes", "Size of that file system.",
                 static_cast<double>(report.disk_bytes));
  metrics->Gauge("pgmahout_data_disk_writable",
                 "Whether the last small write to data and WAL reached the disk.",
                 snapshot.observation.disk.error.empty() ? 1 : 0);
  if (report.disk_full_in.has_value()) {
    metrics->Gauge("pgmahout_data_disk_full_in_seconds",
                   "When the disk will be full at the present rate; absent if it does not fill up.",
                   static_cast<double>(report.disk_full_in->count()) / 1000.0);
  }
}

void AddAgent(const Snapshot& snapshot, BootTime now, Metrics* metrics) {
  const Report& report = snapshot.report;
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
  AddStep(report, metrics);
  AddDisk(snapshot, metrics);
}

}  // namespace

Metrics MetricsOf(const std::string& node, const Snapshot& snapshot, BootTime taken, BootTime now) {
  const Report& report = snapshot.report;
  const Duration age = now - taken;
  const bool fresh = age < kSnapshotLifetime;
  const bool up = fresh && report.server == ServerState::kRunning;
  Metrics metrics;
  AddUp(up, &metrics);
  metrics.Gauge("pgmahout_agent_info", "Version of the agent.", 1,
                {{"node", node}, {"version", report.agent_version}, {"cluster", report.cluster}});
  metrics.Gauge("pgmahout_agent_snapshot_age_seconds",
                "Since when the agent's loop has said nothing new; normally about 1.",
                static_cast<double>(age.count()) / 1000.0);
  if (!fresh) {
    return metrics;
  }
  AddAgent(snapshot, now, &metrics);
  AddRole(report, &metrics);
  if (up) {
    AddServer(report, &metrics);
    AddStandbys(report, &metrics);
  }
  if (up && snapshot.observation.sql.has_value()) {
    AddSlots(*snapshot.observation.sql, &metrics);
    AddArchiverAndSizes(*snapshot.observation.sql, &metrics);
  }
  return metrics;
}

}  // namespace pgmahout::agent
