// SPDX-License-Identifier: Apache-2.0
// Snapshots of a healthy primary and a healthy standby; the tests spoil one thing each.
#pragma once

#include "agent/daemon/snapshot.h"

namespace pgmahout::agent {

inline constexpr BootTime kNow = BootTime::FromMilliseconds(1'000'000);

inline Snapshot BaseSnapshot() {
  Snapshot snapshot;
  snapshot.connected = true;
  snapshot.steps_run = 12;
  snapshot.steps_failed = 2;
  Report& report = snapshot.report;
  report.cluster = "orders";
  report.epoch = 4;
  report.system_identifier = 7'268'616'322'854'375'442;
  report.server = ServerState::kRunning;
  report.data_is_complete = true;
  report.timeline = 3;
  report.server_version = "14.23";
  report.agent_version = "0.1.0";
  report.disk_free_bytes = 5'000'000'000;
  SqlFacts& sql = snapshot.observation.sql.emplace();
  sql.synchronous_standby_names = "ANY 1 (\"db2\", \"db3\")";
  sql.archived_count = 77;
  sql.archive_failed_count = 3;
  sql.database_bytes = {{"app", 8'000'000}, {"postgres", 7'000'000}};
  return snapshot;
}

// db1, with db2 and db3 attached.
inline Snapshot PrimarySnapshot() {
  Snapshot snapshot = BaseSnapshot();
  Report& report = snapshot.report;
  report.role = ServerRole::kPrimary;
  report.writable_epoch = 4;
  report.write_lsn = Lsn{10'000'000};
  report.attached = {Attached{"db2", true, "quorum", Lsn{10'000'000}, Lsn{9'999'000}},
                     Attached{"db3", false, "async", Lsn{5'000'000}, Lsn{5'000'000}}};
  SqlFacts& sql = *snapshot.observation.sql;
  sql.write_lsn = report.write_lsn;
  sql.slots = {Slot{"pgmahout_db2", true, Lsn{9'000'000}}, Slot{"pgmahout_db3", false, Lsn{}}};
  snapshot.lease = Lease{4, kNow + Duration{8'000}, Duration{10'000}, {}};
  return snapshot;
}

inline Snapshot StandbySnapshot() {
  Snapshot snapshot = BaseSnapshot();
  Report& report = snapshot.report;
  report.role = ServerRole::kStandby;
  report.receive_lsn = Lsn{10'000'000};
  report.replay_lsn = Lsn{9'000'000};
  report.replay_lag_milliseconds = 1'500;
  report.receiver_streaming = true;
  SqlFacts& sql = *snapshot.observation.sql;
  sql.in_recovery = true;
  sql.receive_lsn = report.receive_lsn;
  sql.replay_lsn = report.replay_lsn;
  sql.slots = {Slot{"pgmahout_db3", false, Lsn{8'000'000}}};
  return snapshot;
}

}  // namespace pgmahout::agent
