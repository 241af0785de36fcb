// SPDX-License-Identifier: Apache-2.0
#include "controller/core/plan.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/care.h"
#include "controller/core/eligibility.h"
#include "controller/core/failover.h"
#include "controller/core/quorum.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {
namespace {

using Steps = std::vector<std::string>;

// Who would take over from a clean stop now: as SuccessorIsReady will choose, as far as that can be
// told before the stop.
std::string LikelySuccessor(const ClusterState& state, const std::string& target, BootTime now) {
  std::vector<Candidate> candidates;
  for (const auto& [node, member] : state.members) {
    const bool is_asked_for = target.empty() || node == target;
    const absl::Status check = CheckSwitchover(state, node, now);  // refuses the primary, too
    if (is_asked_for && check.ok()) {
      candidates.push_back(Candidate{
          node, Ballot{state.durable.epoch, member.report->timeline, member.report->receive_lsn},
          PriorityOf(state.durable.spec, node)});
    }
  }
  const std::optional<Candidate> best = BestOf(candidates);
  return best.has_value() ? best->node : "the best standby";
}

void AddNameStep(const ClusterState& state, const std::string& node, Steps* steps) {
  const MemberView* member = FindMember(state, node);
  if (!state.durable.spec.dns.primary.empty()) {
    steps->push_back(absl::StrCat(state.durable.spec.dns.primary, " leads to ",
                                  member == nullptr ? "the new primary" : member->address));
  }
}

void AddSwitchoverSteps(const ClusterState& state,
                        const std::string& target,
                        BootTime now,
                        Steps* steps) {
  const std::string& primary = state.durable.primary;
  const std::string successor = LikelySuccessor(state, target, now);
  steps->push_back(absl::StrCat("epoch ", state.durable.epoch + 1, ": ", primary,
                                " gets no more leases, writes a checkpoint and is stopped cleanly; "
                                "its sessions end"));
  steps->push_back(absl::StrCat(successor, " is promoted once it has all WAL of that stop"));
  steps->push_back(absl::StrCat("the other standbys follow ", successor));
  AddNameStep(state, successor, steps);
}

Steps Describe(const ClusterState& state, const SwitchoverRequested& request, BootTime now) {
  Steps steps;
  AddSwitchoverSteps(state, request.target, now, &steps);
  steps.push_back(absl::StrCat(state.durable.primary, " starts as a standby"));
  return steps;
}

Steps Describe(const ClusterState& state, const FailoverRequested& request, BootTime /*now*/) {
  const Durable& durable = state.durable;
  const std::string who = request.target.empty() ? "the one that is furthest" : request.target;
  Steps steps;
  if (durable.stage != Stage::kFencing) {
    steps.push_back(absl::StrCat("epoch ", durable.epoch + 1, ": ", durable.primary,
                                 " gets no more leases and is told to stop"));
  }
  steps.emplace_back("every standby that can be heard detaches and votes with the end of its WAL");
  steps.push_back(request.accept_data_loss
                      ? absl::StrCat(who, " is promoted once ", durable.primary,
                                     "'s lease is over, even if acknowledged commits are missing")
                      : absl::StrCat(who,
                                     " is promoted if the votes cover every acknowledged "
                                     "commit; else nobody is"));
  AddNameStep(state, request.target, &steps);
  steps.push_back(absl::StrCat(durable.primary, " rejoins as a standby when it is back"));
  return steps;
}

Steps Describe(const ClusterState& state, const PauseRequested& request, BootTime now) {
  const Durable& durable = state.durable;
  if (request.paused == durable.paused) {
    return {request.paused ? "it is paused already" : "it is not paused"};
  }
  Steps steps;
  if (!request.paused) {
    steps.emplace_back("every member is looked at anew");
    for (const std::string& held_back : HeldBackByPause(state, now)) {
      steps.push_back(absl::StrCat("at once: ", held_back));
    }
    return steps;
  }
  steps.emplace_back(
      "no failover, switchover, rebuild or restart happens by itself, and no stopped PostgreSQL is "
      "started");
  steps.emplace_back("leases, the standbys that confirm commits, and DNS go on as ever");
  if (!durable.reinit.node.empty()) {
    steps.push_back(absl::StrCat("the new copy of ", durable.reinit.node, " is given up"));
  }
  if (!durable.restart.nodes.empty()) {
    steps.push_back(absl::StrCat("the rolling restart is given up; not restarted: ",
                                 absl::StrJoin(durable.restart.nodes, ", ")));
  }
  return steps;
}

void WarnIfNobodyIsLeft(const ClusterState& state,
                        const std::string& without,
                        BootTime now,
                        Steps* steps) {
  const bool somebody_is_left =
      std::any_of(state.members.begin(), state.members.end(), [&](const auto& member) {
        const std::string& node = member.first;
        return node != without && node != state.durable.primary &&
               WhyNotEligible(state, node, now).empty();
      });
  if (!somebody_is_left) {
    steps->push_back(absl::StrCat("nobody is left to take over if ", state.durable.primary,
                                  " is lost meanwhile"));
  }
}

Steps Describe(const ClusterState& state, const MaintenanceRequested& request, BootTime now) {
  const std::string& node = request.node;
  if (request.on == InMaintenance(state.durable, node)) {
    return {
        absl::StrCat(node, request.on ? " is in maintenance already" : " is not in maintenance")};
  }
  if (!request.on) {
    return {absl::StrCat(node, " is started if it is stopped, and streams"),
            absl::StrCat(node, " confirms commits and may be promoted again")};
  }
  Steps steps;
  if (node == state.durable.primary) {
    AddSwitchoverSteps(state, "", now, &steps);
  } else if (IsInAnyQuorum(state.durable, node)) {
    steps.push_back(absl::StrCat("no commit waits for ", node, " any more; ", state.durable.primary,
                                 " confirms that"));
  }
  steps.push_back(absl::StrCat(node, " is never promoted, and not started when it is stopped"));
  if (node != state.durable.primary) {
    WarnIfNobodyIsLeft(state, node, now, &steps);
  }
  return steps;
}

Steps Describe(const ClusterState& state, const ReinitRequested& request, BootTime now) {
  const uint64_t directory = state.members.at(request.node).report->data_number;
  Steps steps;
  if (IsInAnyQuorum(state.durable, request.node)) {
    steps.push_back(absl::StrCat("no commit waits for ", request.node, " any more; ",
                                 state.durable.primary, " confirms that"));
  }
  steps.push_back(absl::StrCat("PostgreSQL on ", request.node, " is stopped"));
  steps.push_back(
      absl::StrCat("a base backup from ", state.durable.primary, " fills pgdata.", directory + 1));
  steps.push_back(
      absl::StrCat("pgdata.", directory, " is removed once pgdata.", directory + 1, " streams"));
  WarnIfNobodyIsLeft(state, request.node, now, &steps);
  return steps;
}

Steps Describe(const ClusterState& state, const RestartRequested& request, BootTime now) {
  Steps steps;
  const bool in_place = request.in_place || state.members.size() == 1;
  for (const std::string& node : MembersToRestart(state, request)) {
    const std::vector<std::string>& pending = state.members.at(node).report->pending_restart;
    const std::string why = pending.empty() ? "forced" : absl::StrJoin(pending, ", ");
    if (node != state.durable.primary) {
      steps.push_back(absl::StrCat(node, " is restarted (", why, "), until it streams again"));
    } else if (in_place) {
      steps.push_back(absl::StrCat(node, " is stopped cleanly and started again as the primary (",
                                   why, "); writes wait that long"));
    } else {
      AddSwitchoverSteps(state, "", now, &steps);
      steps.push_back(absl::StrCat(node, " starts as a standby (", why, ")"));
    }
  }
  return steps;
}

// Not a person's request.
template <typename Other>
Steps Describe(const ClusterState& /*state*/, const Other& /*event*/, BootTime /*now*/) {
  return {};
}

}  // namespace

std::vector<std::string> StepsOf(const ClusterState& state, const Event& request, BootTime now) {
  return std::visit([&](const auto& event) { return Describe(state, event, now); }, request);
}

}  // namespace pgmahout::controller
