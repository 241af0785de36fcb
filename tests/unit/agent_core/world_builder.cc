// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent_core/world_builder.h"

#include "absl/strings/str_cat.h"
#include "common/pg/names.h"

namespace pgmahout::agent {

World Told(Assignment assignment) {
  DesiredState desired;
  desired.cluster = "orders";
  desired.epoch = kEpoch;
  desired.system_identifier = kSystemIdentifier;
  desired.assignment = assignment;
  desired.quorum = Quorum{1, {"db1", "db3"}};
  desired.members = {
      {"db1", "10.0.0.1", 5432}, {"db2", "10.0.0.2", 5432}, {"db3", "10.0.0.3", 5432}};
  desired.replication_password = "secret";
  desired.spec.name = "orders";
  desired.spec.nodes = {"db1", "db2", "db3"};
  if (assignment == Assignment::kStandby) {
    desired.upstream = "db1";
    desired.may_rebuild = true;
    desired.upstream_timeline = 2;
    desired.parent_timeline = 1;
    desired.fork_lsn = Lsn{1'000};
  }

  World world;
  world.desired = desired;
  world.memory.epoch = kEpoch;
  world.memory.cluster = "orders";
  world.memory.system_identifier = kSystemIdentifier;
  world.context.node = "db2";
  world.context.address = "10.0.0.2";
  world.context.socket_directory = "/run/pgmahout";
  world.context.log_directory = "/var/log/pgmahout";
  world.context.password_file = "/var/lib/pgmahout/passfile";
  world.context.ca_file = "/etc/pgmahout/ca.pem";
  world.context.wal_program = "/usr/bin/pgmahout-wal";
  world.now = At(100'000);
  world.observation.taken_at = world.now;
  return world;
}

World WithData(Assignment assignment, bool standby) {
  World world = Told(assignment);
  DataDirectory& data = world.observation.data;
  data.exists = true;
  data.complete = true;
  data.standby_signal = standby;
  data.system_identifier = kSystemIdentifier;
  world.observation.server = ServerState::kStopped;
  Configure(world, assignment == Assignment::kPrepare);
  return world;
}

World Running(Assignment assignment, bool standby) {
  World world = WithData(assignment, standby);
  world.observation.server = ServerState::kRunning;
  world.observation.postmaster_alive = true;
  SqlFacts sql;
  sql.in_recovery = standby;
  sql.timeline = 2;
  sql.replay_lsn = Lsn{900};
  sql.receive_lsn = Lsn{950};
  sql.roles_id = RolesIdOf(*world.desired);
  for (const char* node : {"db1", "db3"}) {
    sql.slots.push_back(Slot{SlotNameOf(node), false, Lsn{1}});
  }
  world.observation.sql = sql;
  Configure(world, assignment == Assignment::kPrepare);
  return world;
}

World RunningStandby() {
  World world = Running(Assignment::kStandby, /*standby=*/true);
  world.observation.sql->receiver_exists = true;
  world.observation.sql->receiver_streaming = true;
  world.observation.sql->receiver_host = "10.0.0.1";
  return world;
}

World RunningPrimary() {
  World world = Running(Assignment::kPrimary, /*standby=*/false);
  world.observation.sql->write_lsn = Lsn{2'000};
  world.memory.started_epoch = kEpoch;
  world.memory.checkpointed_epoch = kEpoch;
  GrantLease(world, Duration{10'000});
  return world;
}

World FormerPrimary(const std::string& state, uint32_t timeline, Lsn checkpoint) {
  World world = WithData(Assignment::kStandby, /*standby=*/false);
  world.observation.data.control =
      ControlData{kSystemIdentifier, state, timeline, checkpoint, Lsn{}, 0};
  return world;
}

void Configure(World& world, bool detached) {
  DataDirectory& data = world.observation.data;
  data.config = RenderConfig(*world.desired, world.context, detached);
  data.hba = RenderHba(*world.desired);
  if (world.observation.sql.has_value()) {
    world.observation.sql->config_id = ConfigIdOf(data.config);
    world.observation.sql->synchronous_standby_names =
        RenderSynchronousStandbyNames(world.desired->quorum);
    world.observation.sql->since_config_load = Duration{5'000};
  }
}

void GrantLease(World& world, Duration lease) {
  world.lease = Lease{world.memory.epoch, world.now + lease, lease, world.desired->quorum};
}

std::string NameOf(StepKind kind) {
  switch (kind) {
    case StepKind::kWait:
      return "wait";
    case StepKind::kRemember:
      return "remember";
    case StepKind::kKill:
      return "kill";
    case StepKind::kStopFast:
      return "stop";
    case StepKind::kInitialize:
      return "initdb";
    case StepKind::kConfigure:
      return "configure";
    case StepKind::kStart:
      return "start";
    case StepKind::kPromote:
      return "promote";
    case StepKind::kBaseBackup:
      return "base-backup";
    case StepKind::kRewind:
      return "rewind";
    case StepKind::kMarkStandby:
      return "mark-standby";
    case StepKind::kMarkVoter:
      return "mark-voter";
    case StepKind::kEnsureRoles:
      return "roles";
    case StepKind::kEnsureSlots:
      return "slots";
    case StepKind::kCheckpoint:
      return "checkpoint";
    case StepKind::kBackfillArchive:
      return "backfill";
    case StepKind::kRemoveOldData:
      return "remove-old-data";
    case StepKind::kAdopt:
      return "adopt";
    case StepKind::kLetGo:
      return "let-go";
  }
  return "?";
}

std::ostream& operator<<(std::ostream& out, StepKind kind) {
  return out << NameOf(kind);
}

std::string Decided(const World& world) {
  const Step step = Next(world);
  return absl::StrCat(step.rule, ": ", NameOf(step.kind));
}

}  // namespace pgmahout::agent
