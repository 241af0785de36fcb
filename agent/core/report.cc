// SPDX-License-Identifier: Apache-2.0
// What the controller is told: the vote, and the report.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/core/adopt.h"
#include "agent/core/alone.h"
#include "agent/core/reconciler.h"
#include "agent/core/rules.h"

namespace pgmahout::agent {

bool RunsAsPrimary(const Observation& observation) {
  if (!observation.postmaster_alive) {
    return false;
  }
  // Recovery removes standby.signal before the first write is possible.
  return observation.sql.has_value() ? !observation.sql->in_recovery
                                     : !observation.data.standby_signal;
}

namespace {

// A look that has not ended for so long is an answer too: the VM's files hang.
bool IsStale(const World& world) {
  constexpr Duration kLimit{3'000};
  const Duration limit = world.desired.has_value()
                             ? std::max(kLimit, world.desired->spec.failover.detect_after)
                             : kLimit;
  return world.now - world.observation.taken_at >= limit;
}

Duration DetectAfter(const World& world) {
  return world.desired.has_value() ? world.desired->spec.failover.detect_after
                                   : FailoverSpec{}.detect_after;
}

// Why a server that runs is not fit to be primary; empty: it is. No figures in it, as each change
// is told at once.
std::string IllnessOf(const World& world) {
  const DiskHealth& disk = world.observation.disk;
  if (IsStale(world)) {
    return "a look at its files and its server does not end";
  }
  if (!disk.error.empty() && !disk.full) {
    return disk.error;
  }
  if (disk.waits_since.has_value() && world.now - *disk.waits_since >= DetectAfter(world)) {
    return "a small write to its data directory does not reach the disk";
  }
  if (world.observation.server == ServerState::kHung) {
    return absl::StrCat("a fresh connection and a small write get no answer: ",
                        world.observation.sql_error);
  }
  return "";
}

// A connection over which nothing has come for so long is no evidence of a living primary, which
// writes a marker several times within detectAfter.
bool ReceiverIsSilent(const World& world) {
  return world.observation.receiver_heard_at.has_value() &&
         world.now - *world.observation.receiver_heard_at >= DetectAfter(world) * 3 / 4;
}

// Why a standby that runs gets no WAL. No figures, as for an illness.
std::string ReceiverTroubleOf(const World& world, const SqlFacts& sql) {
  if (!sql.in_recovery) {
    return "";
  }
  if (!sql.receiver_exists) {
    return "no WAL receiver runs";
  }
  if (!sql.receiver_streaming) {
    return "its WAL receiver has not got through to its upstream";
  }
  return ReceiverIsSilent(world) ? "its WAL receiver is stuck: nothing comes from its upstream"
                                 : "";
}

}  // namespace

std::optional<Ballot> BallotOf(const World& world) {
  const Observation& seen = world.observation;
  if (IsStale(world)) {
    return std::nullopt;
  }
  if (!world.desired.has_value() || world.desired->assignment != Assignment::kPrepare ||
      world.desired->epoch != world.memory.epoch || !seen.sql.has_value() ||
      !seen.sql->in_recovery || !DataIsUsable(seen)) {
    return std::nullopt;
  }
  const SqlFacts& sql = *seen.sql;
  const std::string detached = RenderConfig(*world.desired, world.context, /*detached=*/true);
  // On disk too: the vote must outlive a restart of the server.
  if (seen.data.config != detached || sql.config_id != ConfigIdOf(detached) ||
      sql.receiver_exists) {
    return std::nullopt;
  }
  // A server that has not asked for WAL since its start may have more in pg_wal than it has
  // replayed; pg_last_wal_receive_lsn() does not tell then.
  if (!sql.receive_lsn.valid() && !sql.replayed_all_local) {
    return std::nullopt;
  }
  return Ballot{world.memory.epoch, sql.timeline, std::max(sql.receive_lsn, sql.replay_lsn)};
}

namespace {

// A connection that was cut looks alive until wal_sender_timeout is over. Who has flushed none of
// the markers for so long does not stream, whatever the server says.
bool IsHeardLately(const World& world, const std::string& standby) {
  constexpr Duration kShortest{3'000};
  const auto seen = world.witnesses.find(standby);
  return seen == world.witnesses.end() ||
         world.now - seen->second < std::max(DetectAfter(world), kShortest);
}

void ReportSql(const World& world, const SqlFacts& sql, Report* report) {
  report->role = sql.in_recovery ? ServerRole::kStandby : ServerRole::kPrimary;
  report->timeline = sql.timeline;
  report->parent_timeline = sql.parent_timeline;
  report->fork_lsn = sql.fork_lsn;
  report->write_lsn = sql.write_lsn;
  report->receive_lsn = sql.receive_lsn;
  report->replay_lsn = sql.replay_lsn;
  report->replay_lag_milliseconds = sql.replay_lag_milliseconds;
  report->replay_paused = sql.replay_paused;
  report->receiver_streaming = sql.receiver_streaming && !ReceiverIsSilent(world);
  report->receiver_trouble = ReceiverTroubleOf(world, sql);
  report->attached = sql.attached;
  for (Attached& standby : report->attached) {
    standby.streaming = standby.streaming && IsHeardLately(world, standby.node);
  }
  report->server_version = sql.server_version;
  report->server_started = sql.server_started;
  report->pending_restart = sql.pending_restart;
  if (!world.desired.has_value()) {
    return;
  }
  for (const Member& member : world.desired->members) {
    if (!sql.receiver_host.empty() && member.address == sql.receiver_host) {
      report->receiver_upstream = member.node;
    }
  }
  report->roles_ready = sql.roles_id == RolesIdOf(*world.desired);
  if (!sql.in_recovery && world.memory.started_epoch == world.memory.epoch) {
    report->writable_epoch = world.memory.epoch;
  }
  // A walsender takes a new setting up within milliseconds; half a second is for a loaded machine.
  constexpr Duration kSettled{500};
  const bool in_effect =
      sql.synchronous_standby_names == RenderSynchronousStandbyNames(world.desired->quorum);
  if (in_effect && sql.since_config_load >= kSettled) {
    report->quorum_in_effect = world.desired->quorum;
  }
}

}  // namespace

Report ReportOf(const World& world, const std::string& step, const std::string& step_error) {
  if (GoesOnAlone(world)) {
    return ReportOf(AsAlone(world), step, step_error);
  }
  const Observation& seen = world.observation;
  Report report;
  report.cluster = world.memory.cluster;
  report.epoch = world.memory.epoch;
  report.started_epoch = world.memory.started_epoch;
  report.system_identifier = seen.data.system_identifier;
  report.data_number = world.memory.data_number;
  report.server = seen.orphans ? ServerState::kStopping : seen.server;
  report.data_is_complete = DataIsUsable(seen);
  report.step = step;
  report.step_error = step_error;
  report.disk_free_bytes = seen.disk_free_bytes;
  report.disk_bytes = seen.disk_bytes;
  report.disk_full_in = seen.disk_full_in;
  report.ballot = BallotOf(world);
  report.diverged = seen.diverged;
  if (report.illness = IllnessOf(world); !report.illness.empty() && seen.postmaster_alive) {
    report.server = ServerState::kHung;
  }
  if (report.step_error.empty() && seen.disk.full) {
    report.step_error = seen.disk.error;
  }
  report.alone_epoch = world.memory.alone_epoch;
  if (world.desired.has_value() && Assigned(world, Assignment::kPreview) &&
      seen.existing.has_value()) {
    report.adoption = PlanAdoption(world);
  }
  if (world.desired.has_value() && Assigned(world, Assignment::kWitness)) {
    report.receiver_streaming = ReachesPrimary(world, DetectAfter(world));
  }
  if (seen.sql.has_value()) {
    ReportSql(world, *seen.sql, &report);
  } else if (seen.data.control.has_value()) {
    report.timeline = seen.data.control->timeline;
    report.clean_stop = seen.data.control->state == "shut down";
    report.write_lsn = seen.data.control->checkpoint_lsn;
  }
  return report;
}

}  // namespace pgmahout::agent
