// SPDX-License-Identifier: Apache-2.0
// Rules of a node that belongs to no cluster, or not any more; and of one that belongs to none yet.
#include "agent/core/release.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/core/rules.h"
#include "common/base/fingerprint.h"

namespace pgmahout::agent {
namespace {

constexpr absl::string_view kReleased =
    "# Released by pgmahout: nobody keeps this file any more, it is yours.\n";
constexpr absl::string_view kIdPrefix = "pgmahout.config_id = '";
constexpr absl::string_view kOurHba = "# Written by pgmahout-agent";

// What somebody has to look after, or what only we understand.
bool IsForUs(absl::string_view line) {
  for (const absl::string_view start :
       {absl::string_view("#"), absl::string_view("synchronous_standby_names = "), kIdPrefix,
        kWishParameter}) {
    if (absl::StartsWith(line, start)) {
      return true;
    }
  }
  return false;
}

bool AllowsReplication(absl::string_view line) {
  return absl::StrContains(line, kReplicationRole) && !absl::EndsWith(line, " reject");
}

// Files first, then what the server has loaded: a reload that failed is tried again.
Maybe LetGo(const World& world) {
  const Observation& seen = world.observation;
  const std::string& config = seen.data.config;
  if (!DataIsUsable(seen) || ConfigIdOf(config).empty()) {
    return std::nullopt;
  }
  const bool is_released = IsReleased(config);
  if (is_released && (!seen.sql.has_value() || seen.sql->config_id == ConfigIdOf(config))) {
    return std::nullopt;
  }
  Step step = Do(world, StepKind::kLetGo, "the server is on its own from now on");
  step.config = is_released ? config : RenderReleased(config);
  return step;
}

}  // namespace

std::string RenderReleased(absl::string_view config) {
  std::string text(kReleased);
  for (const auto& line : absl::StrSplit(config, '\n', absl::SkipEmpty())) {
    if (!IsForUs(line)) {
      absl::StrAppend(&text, line, "\n");
    }
  }
  absl::StrAppend(&text, "synchronous_standby_names = ''\n");
  return absl::StrCat(text, kIdPrefix, absl::Hex(Fingerprint(text), absl::kZeroPad16), "'\n");
}

bool IsReleased(absl::string_view config) {
  return absl::StartsWith(config, kReleased);
}

bool IsOurHba(absl::string_view hba) {
  return absl::StartsWith(hba, kOurHba);
}

std::string RenderReleasedHba(absl::string_view hba, absl::string_view before) {
  if (!IsOurHba(hba)) {
    return std::string(hba);
  }
  std::string text(kReleased);
  for (const auto& line : absl::StrSplit(hba, '\n', absl::SkipEmpty())) {
    if (!absl::StartsWith(line, "#") && (before.empty() || AllowsReplication(line))) {
      absl::StrAppend(&text, line, "\n");
    }
  }
  return absl::StrCat(text, before);
}

// The fence is lifted first: whatever becomes of the files, nobody is killed for a lease that
// nobody renews.
Maybe Release(const World& world) {
  const bool is_asked = Assigned(world, Assignment::kPreview);
  if (!is_asked && (!Assigned(world, Assignment::kNone) || !world.desired->cluster.empty())) {
    return std::nullopt;
  }
  if (!world.memory.cluster.empty()) {
    Step step = Do(world, StepKind::kRemember, "this node belongs to no cluster any more");
    step.memory.cluster.clear();
    step.memory.system_identifier = 0;
    step.memory.adopted = false;
    return step;
  }
  if (Maybe step = LetGo(world)) {
    return step;
  }
  return Wait(world, is_asked ? "tells what adoption would mean" : "member of no cluster");
}

// As a member it would need a lease to run, and would be killed for want of one.
Maybe LeaveForeignPrimary(const World& world) {
  if (!world.memory.cluster.empty() || !RunsAsPrimary(world.observation) ||
      Assigned(world, Assignment::kBootstrap) || Assigned(world, Assignment::kAdopt)) {
    return std::nullopt;
  }
  return Blocked(
      world,
      "a primary runs here that belongs to no cluster; it is left untouched. Stop it, or "
      "make a cluster of it: pgmahout cluster adopt");
}

}  // namespace pgmahout::agent
