// SPDX-License-Identifier: Apache-2.0
// What a person asks for: checked here, so that the caller gets the reasons before anything moves.
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/error.h"
#include "controller/core/care.h"
#include "controller/core/eligibility.h"
#include "controller/core/quarantine.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {

absl::Status Refuse(const ClusterState& state,
                    absl::string_view verb,
                    const std::vector<std::string>& reasons,
                    absl::string_view hint) {
  return WithInfo(
      absl::FailedPreconditionError(
          absl::StrCat("cannot ", verb, " cluster \"", state.durable.spec.name, "\"")),
      ErrorInfo{"precondition", absl::StrJoin(reasons, "\n        "), std::string(hint)});
}

absl::Status RefuseInQuarantine(const ClusterState& state, absl::string_view verb, BootTime now) {
  std::vector<std::string> reasons = WhoIsMissing(state, now);
  reasons.emplace(reasons.begin(),
                  "the controller's store is older than what its agents have obeyed");
  return Refuse(state, verb, reasons,
                absl::StrCat("Bring every member back. If one is gone for good, accept a loss: "
                             "pgmahout cluster failover ",
                             state.durable.spec.name, " --accept-data-loss"));
}

namespace {

// Empty: `node` can take over now without a loss and without a long wait.
std::string WhyNotTarget(const ClusterState& state, const std::string& node, BootTime now) {
  const std::string why = WhyNotEligible(state, node, now);
  if (!why.empty()) {
    return why;
  }
  const MemberView& member = state.members.at(node);
  if (!member.attached) {
    return "it does not stream from the primary";
  }
  const Report& primary = *state.members.at(state.durable.primary).report;
  const uint64_t behind = BytesBetween(member.report->receive_lsn, primary.write_lsn);
  const uint64_t allowed = std::max<uint64_t>(state.durable.spec.failover.max_lag_bytes, 16 << 20);
  if (behind > allowed) {
    return absl::StrCat("it is ", behind, " bytes behind; ", allowed, " are allowed");
  }
  return "";
}

}  // namespace

absl::Status CheckSwitchover(const ClusterState& state, const std::string& target, BootTime now) {
  const Durable& durable = state.durable;
  if (durable.quarantined) {
    return RefuseInQuarantine(state, "switch over", now);
  }
  const MemberView& primary = PrimaryOf(state);
  if (durable.stage != Stage::kRunning) {
    return Refuse(state, "switch over", {"a change of primary is under way, or there is none"},
                  "Wait until it is over: pgmahout watch " + durable.spec.name);
  }
  if (durable.paused) {
    return RefuseWhilePaused(state, "switch over");
  }
  if (!IsHeard(state, primary, now) || primary.report->server != ServerState::kRunning) {
    return Refuse(state, "switch over",
                  {absl::StrCat("the primary ", durable.primary, " is not heard or does not run")},
                  "A lost primary is replaced by failover.");
  }
  if (!primary.doubt.empty()) {
    return Refuse(
        state, "switch over",
        {absl::StrCat("what ", durable.primary, " reports is not believed: ", primary.doubt)},
        "See pgmahout cluster events " + durable.spec.name);
  }
  if (target == durable.primary) {
    return Refuse(state, "switch over", {absl::StrCat(target, " is the primary already")}, "");
  }
  if (!target.empty() && FindMember(state, target) == nullptr) {
    return Refuse(state, "switch over", {absl::StrCat(target, " is no member")},
                  "See pgmahout cluster show " + durable.spec.name);
  }
  std::vector<std::string> reasons;
  for (const auto& [node, member] : state.members) {
    if (node == durable.primary || (!target.empty() && node != target)) {
      continue;
    }
    const std::string why = WhyNotTarget(state, node, now);
    if (why.empty()) {
      return absl::OkStatus();
    }
    reasons.push_back(absl::StrCat(node, ": ", why));
  }
  if (reasons.empty()) {
    reasons.emplace_back("there is no standby");
  }
  return Refuse(state, "switch over", reasons, "See pgmahout cluster show " + durable.spec.name);
}

namespace {

// No promotion takes that long, unless its server does not come up.
constexpr Duration kPromotionMayTake{10'000};

// A person who accepts a loss may name another one instead of a candidate that gets nowhere.
bool BreaksOffPromotion(const ClusterState& state, const FailoverRequested& request, BootTime now) {
  return state.durable.stage == Stage::kPromoting && request.accept_data_loss &&
         !request.target.empty() && now - state.stage_since >= kPromotionMayTake;
}

}  // namespace

absl::Status CheckFailover(const ClusterState& state,
                           const FailoverRequested& request,
                           BootTime now) {
  const Durable& durable = state.durable;
  if (durable.quarantined && !request.accept_data_loss) {
    return RefuseInQuarantine(state, "fail over", now);
  }
  if (durable.quarantined &&
      (request.target.empty() || FindMember(state, request.target) != nullptr)) {
    return absl::OkStatus();
  }
  if (!request.target.empty() &&
      (FindMember(state, request.target) == nullptr || request.target == durable.primary)) {
    return Refuse(state, "fail over", {absl::StrCat(request.target, " is no standby")}, "");
  }
  if (InMaintenance(durable, request.target)) {
    return Refuse(state, "fail over", {absl::StrCat(request.target, " is in maintenance")},
                  absl::StrCat("End it: pgmahout node maintenance ", request.target, " --off"));
  }
  if (!request.target.empty() && PriorityOf(durable.spec, request.target) == 0) {
    return Refuse(state, "fail over", {absl::StrCat(request.target, " has failover.priority 0")},
                  "Such a member is never promoted. Change the spec, or name another one.");
  }
  if (BreaksOffPromotion(state, request, now)) {
    return absl::OkStatus();
  }
  const MemberView& primary = PrimaryOf(state);
  const bool primary_runs =
      IsHeard(state, primary, now) && primary.report->server == ServerState::kRunning;
  if (durable.stage == Stage::kCreating || durable.stage == Stage::kPromoting ||
      durable.stage == Stage::kStopping) {
    return Refuse(state, "fail over",
                  {"the cluster is being created or already changes its primary"},
                  absl::StrCat("Wait until it is over: pgmahout watch ", durable.spec.name,
                               ". A promotion that has not ended after ten seconds may be broken "
                               "off with --accept-data-loss --to NODE."));
  }
  if (durable.stage == Stage::kRunning && primary_runs) {
    return Refuse(state, "fail over", {absl::StrCat("the primary ", durable.primary, " runs")},
                  "Move it without a loss: pgmahout cluster switchover " + durable.spec.name);
  }
  return absl::OkStatus();
}

absl::Status CheckSpecChange(const ClusterState& state, const ClusterSpec& spec) {
  const ClusterSpec& old = state.durable.spec;
  std::vector<std::string> reasons;
  if (state.durable.quarantined) {
    reasons.emplace_back(
        "the controller's store is older than what its agents have obeyed; wait until every member "
        "has reported");
  }
  if (spec.postgres_major != old.postgres_major) {
    reasons.push_back(absl::StrCat("spec.postgresql.version: ", old.postgres_major,
                                   " cannot become ", spec.postgres_major,
                                   "; a major upgrade is not supported"));
  }
  if (spec.port != old.port) {
    reasons.emplace_back("spec.postgresql.port: cannot change on a running cluster");
  }
  if (spec.tenant != old.tenant) {
    reasons.emplace_back("metadata.tenant: cannot change");
  }
  if (!Contains(spec.nodes, state.durable.primary)) {
    reasons.push_back(absl::StrCat("spec.placement.nodes: ", state.durable.primary,
                                   " is the primary; switch over first"));
  }
  if (state.durable.stage != Stage::kRunning && spec.nodes != old.nodes) {
    reasons.emplace_back("spec.placement.nodes: cannot change while the primary changes");
  }
  if (state.durable.stage != Stage::kRunning && spec.witness != old.witness) {
    reasons.emplace_back("spec.placement.witness: cannot change while the primary changes");
  }
  if (reasons.empty()) {
    return absl::OkStatus();
  }
  return Refuse(state, "change", reasons, "Nothing was changed.");
}

}  // namespace pgmahout::controller
