// SPDX-License-Identifier: Apache-2.0
#include "agent/core/reconciler.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/core/alone.h"
#include "agent/core/rules.h"

namespace pgmahout::agent {

Step Do(const World& world, StepKind kind, absl::string_view reason) {
  Step step;
  step.kind = kind;
  step.reason = std::string(reason);
  step.memory = world.memory;
  return step;
}

Step Wait(const World& world, absl::string_view reason) {
  return Do(world, StepKind::kWait, reason);
}

Step Blocked(const World& world, absl::string_view reason) {
  Step step = Wait(world, reason);
  step.blocked = true;
  return step;
}

Step Stop(const World& world, absl::string_view reason, Duration kill_after) {
  Step step = Do(world, StepKind::kStopFast, reason);
  step.kill_after = kill_after;
  return step;
}

bool Assigned(const World& world, Assignment assignment) {
  return world.desired->assignment == assignment;
}

bool DataIsUsable(const Observation& seen) {
  return seen.data.exists && seen.data.complete;
}

Maybe LeaveStopped(const World& world) {
  if (!world.desired->hands_off || world.observation.postmaster_alive) {
    return std::nullopt;
  }
  return Wait(world, "paused or in maintenance: what is stopped is left as it is");
}

namespace {

Step Configure(const World& world, const std::string& config, absl::string_view reason) {
  Step step = Do(world, StepKind::kConfigure, reason);
  step.config = config;
  step.hba = RenderHba(*world.desired);
  step.check_config = !SameUserParameters(config, world.observation.data.config);
  return step;
}

}  // namespace

Maybe ConfigureIfNeeded(const World& world, bool detached) {
  const Observation& seen = world.observation;
  const std::string config = RenderConfig(*world.desired, world.context, detached);
  if (seen.data.config != config || seen.data.hba != RenderHba(*world.desired)) {
    return Configure(world, config, "the configuration differs");
  }
  if (!seen.data.auto_conf_overrides.empty()) {
    return Configure(world, config,
                     absl::StrCat("postgresql.auto.conf overrides ",
                                  absl::StrJoin(seen.data.auto_conf_overrides, ", ")));
  }
  if (seen.data.certificate_differs) {
    return Configure(world, config, "the node's certificate was renewed");
  }
  // A standby that is not consistent yet answers nobody, and it becomes consistent only if it knows
  // whom to follow.
  const bool has_loaded = seen.sql.has_value()
                              ? seen.sql->config_id == ConfigIdOf(config)
                              : !(seen.server == ServerState::kStarting && seen.reload_is_owed);
  if (!has_loaded) {
    return Configure(world, config, "the server has not loaded the configuration");
  }
  return std::nullopt;
}

namespace {

// ---- The server must not run ----

Maybe KillOrphans(const World& world) {
  if (!world.observation.orphans) {
    return std::nullopt;
  }
  return Do(world, StepKind::kKill, "PostgreSQL processes have outlived their postmaster");
}

// The lease is counted on this VM's own clock, from before the heartbeat was sent (I1). Time alone
// ends it: an order of a later epoch that takes the role away says itself how to stop, which for a
// switchover is a clean shutdown.
Maybe FenceAtDeadline(const World& world) {
  if (world.memory.cluster.empty() || !RunsAsPrimary(world.observation)) {
    return std::nullopt;
  }
  const std::optional<BootTime> deadline = WriteDeadlineOf(world);
  if (!deadline.has_value() || world.now >= *deadline - world.fence_margin / 3) {
    return Do(world, StepKind::kKill, "the lease to be primary is over");
  }
  if (world.now >= *deadline - world.fence_margin) {
    return Stop(world, "the lease to be primary runs out",
                world.fence_margin - world.fence_margin / 3);
  }
  return std::nullopt;
}

// ---- Whether to obey ----

Maybe WaitForOrders(const World& world) {
  if (world.desired.has_value()) {
    return std::nullopt;
  }
  return Wait(world, "no orders from the controller yet");
}

Maybe IgnoreLowerEpoch(const World& world) {
  if (world.desired->epoch >= world.memory.epoch) {
    return std::nullopt;
  }
  return Blocked(world,
                 absl::StrCat("orders of epoch ", world.desired->epoch, " are ignored: epoch ",
                              world.memory.epoch, " was obeyed already"));
}

Maybe RefuseOtherCluster(const World& world) {
  const Memory& memory = world.memory;
  const DesiredState& desired = *world.desired;
  if (!memory.cluster.empty() && memory.cluster != desired.cluster) {
    return Blocked(world, absl::StrCat("this node belongs to cluster \"", memory.cluster,
                                       "\", not to \"", desired.cluster, "\""));
  }
  if (desired.assignment != Assignment::kWitness &&
      std::none_of(desired.members.begin(), desired.members.end(),
                   [&world](const Member& one) { return one.node == world.context.node; })) {
    return Blocked(world, absl::StrCat("the orders are for members of cluster \"", desired.cluster,
                                       "\", and \"", world.context.node, "\" is none"));
  }
  const uint64_t data_id = world.observation.data.system_identifier;
  if (desired.system_identifier != 0 && data_id != 0 && data_id != desired.system_identifier) {
    return Blocked(world, absl::StrCat("the data directory has system identifier ", data_id,
                                       ", the cluster has ", desired.system_identifier,
                                       "; it is left untouched"));
  }
  return std::nullopt;
}

Maybe RememberOrders(const World& world) {
  Memory memory = world.memory;
  memory.epoch = world.desired->epoch;
  memory.cluster = world.desired->cluster;
  if (world.desired->system_identifier != 0) {
    memory.system_identifier = world.desired->system_identifier;
  }
  if (memory == world.memory) {
    return std::nullopt;
  }
  Step step = Do(world, StepKind::kRemember, absl::StrCat("epoch ", memory.epoch));
  step.memory = memory;
  return step;
}

// ---- Stop, and vote ----

Maybe StopAsOrdered(const World& world) {
  if (!Assigned(world, Assignment::kStop)) {
    return std::nullopt;
  }
  const Observation& seen = world.observation;
  if (!seen.postmaster_alive) {
    return Wait(world, "fenced: no PostgreSQL process runs");
  }
  if (!world.desired->clean_stop) {
    return Stop(world, "fenced by the controller", kFenceKillAfter);
  }
  // The checkpoint of the shutdown itself is short when there was one just before, and so is what
  // is left to send when the segment is nearly full.
  if (RunsAsPrimary(seen) && seen.sql.has_value() &&
      world.memory.checkpointed_epoch < world.memory.epoch) {
    Step step = Do(world, StepKind::kCheckpoint, "before the switchover");
    step.memory.checkpointed_epoch = world.memory.epoch;
    step.fill_segment = true;
    return step;
  }
  return Stop(world, "switchover", kCleanStopKillAfter);
}

Maybe Vote(const World& world) {
  if (!Assigned(world, Assignment::kPrepare)) {
    return std::nullopt;
  }
  const Observation& seen = world.observation;
  if (!DataIsUsable(seen)) {
    return Wait(world, "cannot vote: its data directory is not complete");
  }
  if (seen.postmaster_alive && RunsAsPrimary(seen)) {
    return Stop(world, "fenced by the controller", kFenceKillAfter);
  }
  if (!seen.data.standby_signal) {
    return world.desired->former_primary_votes
               ? Do(world, StepKind::kMarkVoter, "a person has named it")
               : Wait(world, "votes only if it is named: it was primary before");
  }
  if (Maybe configure = ConfigureIfNeeded(world, /*detached=*/true)) {
    return configure;
  }
  if (Maybe leave = LeaveStopped(world)) {
    return leave;
  }
  if (!seen.postmaster_alive) {
    return Do(world, StepKind::kStart, "to vote");
  }
  return Wait(world, BallotOf(world).has_value() ? "voted" : "its WAL receiver is ending");
}

struct Rule {
  absl::string_view name;
  Maybe (*decide)(const World&);
};

// Safety first: what must not run, then whom to obey, then what to be.
constexpr Rule kRules[] = {
    {"kill-orphans", KillOrphans},
    {"fence-at-deadline", FenceAtDeadline},
    {"wait-for-orders", WaitForOrders},
    {"release", Release},
    {"ignore-lower-epoch", IgnoreLowerEpoch},
    {"refuse-other-cluster", RefuseOtherCluster},
    {"leave-foreign-primary", LeaveForeignPrimary},
    {"remember-orders", RememberOrders},
    {"stop-as-ordered", StopAsOrdered},
    {"vote", Vote},
    {"be-witness", BeWitness},
    {"go-on-alone", GoOnAlone},
    {"stay-alone", StayAlone},
    {"adopt", Adopt},
    {"initialize", Initialize},
    {"be-primary", BePrimary},
    {"be-standby", BeStandby},
};

// What is left: a member of a cluster that has no primary yet.
constexpr absl::string_view kElse = "be-nothing-yet";

Step Decide(const World& world) {
  for (const Rule& rule : kRules) {
    if (Maybe step = rule.decide(world)) {
      step->rule = std::string(rule.name);
      return *step;
    }
  }
  Step step = Wait(world, "waits for the first primary");
  step.rule = std::string(kElse);
  return step;
}

}  // namespace

Step Next(const World& world) {
  return GoesOnAlone(world) ? Decide(AsAlone(world)) : Decide(world);
}

}  // namespace pgmahout::agent
