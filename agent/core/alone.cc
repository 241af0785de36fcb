// SPDX-License-Identifier: Apache-2.0
#include "agent/core/alone.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/core/witness.h"
#include "common/base/fingerprint.h"

namespace pgmahout::agent {
namespace {

constexpr absl::string_view kEchoPrefix = "pgmw";

std::string IdOf(absl::string_view node) {
  return absl::StrCat(absl::Hex(Fingerprint(node), absl::kZeroPad16));
}

bool IsAsked(const World& world) {
  return world.observation.visit.has_value() &&
         world.observation.visit->wished_epoch == world.memory.epoch;
}

// Neither the controller nor enough standbys were heard for half the time that is left to a primary
// when it hears the last of them: the other half is for asking.
bool NeedsHelp(const World& world) {
  const Lease lease = world.lease.value_or(Lease{});
  const BootTime deadline = *WriteDeadline(lease, world.witnesses, world.now);
  return lease.epoch == world.memory.epoch &&
         world.now >= deadline - (lease.length + world.fence_margin) / 2;
}

bool IsWritablePrimary(const World& world) {
  return Assigned(world, Assignment::kPrimary) && world.observation.sql.has_value() &&
         !world.observation.sql->in_recovery && world.memory.started_epoch == world.memory.epoch;
}

bool IsAllowed(const World& world) {
  for (const std::string& text : world.observation.sql->echoes) {
    const std::optional<Echo> echo = ParseEcho(text, world.desired->quorum.witness);
    if (echo.has_value() && echo->is_alone && echo->epoch == world.memory.epoch) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string FormatEcho(absl::string_view node, const Echo& echo) {
  return absl::StrCat(kEchoPrefix, ":", IdOf(node), ":", absl::Hex(echo.epoch), ":",
                      echo.is_alone ? 1 : 0, ":", absl::Hex(echo.lsn.value));
}

std::optional<Echo> ParseEcho(absl::string_view text, absl::string_view node) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  Echo echo;
  if (parts.size() != 5 || parts[0] != kEchoPrefix || parts[1] != IdOf(node) ||
      !absl::SimpleHexAtoi(parts[2], &echo.epoch) ||
      !absl::SimpleHexAtoi(parts[4], &echo.lsn.value)) {
    return std::nullopt;
  }
  echo.is_alone = parts[3] == "1";
  return echo;
}

bool IsAlone(const Memory& memory) {
  return memory.epoch != 0 && memory.alone_epoch == memory.epoch;
}

bool GoesOnAlone(const World& world) {
  return IsAlone(world.memory) && world.desired.has_value() &&
         Assigned(world, Assignment::kPrimary) && world.desired->quorum != Quorum{};
}

World AsAlone(World world) {
  world.desired->quorum = Quorum{};
  return world;
}

std::optional<BootTime> WriteDeadlineOf(const World& world) {
  const std::optional<BootTime> deadline = WriteDeadline(world.lease, world.witnesses, world.now);
  const bool is_alone =
      IsAlone(world.memory) && deadline.has_value() && world.lease->epoch == world.memory.epoch;
  return is_alone ? std::max(*deadline, world.now + world.lease->length) : deadline;
}

std::string EchoOf(const World& world) {
  if (!world.desired.has_value() || !Assigned(world, Assignment::kWitness) ||
      world.desired->epoch != world.memory.epoch) {
    return "";
  }
  const Lsn lsn = world.observation.visit.has_value() ? world.observation.visit->lsn : Lsn{};
  return FormatEcho(world.context.node, Echo{world.memory.epoch, IsAlone(world.memory), lsn});
}

void AttachWitness(const std::optional<DesiredState>& desired, Observation* observation) {
  if (!desired.has_value() || !observation->sql.has_value()) {
    return;
  }
  Lsn read;  // a connection that it gave up may linger
  for (const std::string& text : observation->sql->echoes) {
    const std::optional<Echo> echo = ParseEcho(text, desired->witness.node);
    if (echo.has_value() && echo->epoch == desired->epoch) {
      read = std::max(read, echo->lsn);
    }
  }
  if (read.valid()) {
    observation->sql->attached.push_back(
        Attached{desired->witness.node, true, "witness", read, read});
  }
}

bool ReachesPrimary(const World& world, Duration limit) {
  return world.observation.visit.has_value() && world.now - world.observation.visit->at < limit;
}

// Whatever runs here from another life of this VM must not; its files stay.
Maybe BeWitness(const World& world) {
  if (!Assigned(world, Assignment::kWitness)) {
    return std::nullopt;
  }
  if (world.observation.postmaster_alive) {
    return Stop(world, "a witness runs no PostgreSQL", kFenceKillAfter);
  }
  if (IsAsked(world) && !IsAlone(world.memory)) {
    Step step =
        Do(world, StepKind::kRemember,
           absl::StrCat(world.desired->upstream, " may go on alone at epoch ", world.memory.epoch));
    step.memory.alone_epoch = world.memory.epoch;
    return step;
  }
  return Wait(world, IsAlone(world.memory) ? "witness: the primary may go on alone" : "witness");
}

// Once allowed it holds for the epoch: nobody else is promoted unasked, so it needs nobody any
// more.
Maybe GoOnAlone(const World& world) {
  if (!IsWritablePrimary(world) || world.desired->quorum.witness.empty() || !NeedsHelp(world)) {
    return std::nullopt;
  }
  if (IsAllowed(world)) {
    Step step = Do(world, StepKind::kRemember, "the witness lets it go on alone");
    step.memory.alone_epoch = world.memory.epoch;
    return step;
  }
  World asking = world;
  asking.context.wished_epoch = world.memory.epoch;
  if (Maybe configure = ConfigureIfNeeded(asking, /*detached=*/false)) {
    return configure;
  }
  return Wait(world, "asks the witness whether it may go on alone");
}

// Even when the controller's lease is long over.
Maybe StayAlone(const World& world) {
  return IsAlone(world.memory) && IsWritablePrimary(world)
             ? ConfigureIfNeeded(world, /*detached=*/false)
             : std::nullopt;
}

}  // namespace pgmahout::agent
