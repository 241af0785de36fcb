// SPDX-License-Identifier: Apache-2.0
#include "controller/core/status.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/care.h"
#include "controller/core/disk.h"
#include "controller/core/eligibility.h"
#include "controller/core/quarantine.h"
#include "controller/core/quorum.h"
#include "controller/core/turn.h"
#include "controller/core/witness.h"

namespace pgmahout::controller {
namespace {

constexpr Duration kNoPrimaryAfter{10'000};

// What a standby that does not stream does, or what is wrong.
std::string DetailOf(const Report& report) {
  const std::string& detail = report.step.empty() ? report.receiver_trouble : report.step;
  return detail.empty() ? "" : absl::StrCat(": ", detail);
}

// What keeps the members from being as they should, one sentence each.
std::vector<std::string> Complaints(const ClusterState& state, BootTime now) {
  std::vector<std::string> complaints;
  for (const auto& [node, member] : state.members) {
    if (InMaintenance(state.durable, node)) {
      continue;  // by choice
    }
    if (!member.connected || !member.report.has_value()) {
      complaints.push_back(absl::StrCat(node, ": its agent is not connected"));
      continue;
    }
    if (IsSilent(state, member, now)) {
      complaints.push_back(absl::StrCat(node, ": its agent is not heard"));
      continue;
    }
    if (!member.doubt.empty()) {
      complaints.push_back(absl::StrCat(node, ": its report is not believed: ", member.doubt));
    }
    if (!member.report->step_error.empty()) {
      complaints.push_back(
          absl::StrCat(node, ": ", member.report->step, ": ", member.report->step_error));
    } else if (node == state.durable.primary && state.durable.stage == Stage::kRunning &&
               IsDown(*member.report)) {
      complaints.push_back(
          absl::StrCat(node, ": PostgreSQL does not run (", MemberStateOf(state, node, now), ")"));
    } else if (node != state.durable.primary && !member.attached) {
      complaints.push_back(absl::StrCat(node, ": does not stream (",
                                        MemberStateOf(state, node, now), ")",
                                        DetailOf(*member.report)));
    } else if (node != state.durable.primary && !member.replays) {
      complaints.push_back(absl::StrCat(node, ": streams, but has not replayed up to ",
                                        FormatLsn(member.marker), " yet"));
    }
  }
  return complaints;
}

std::string WitnessComplaint(const ClusterState& state, BootTime now) {
  const Durable& durable = state.durable;
  const MemberView& witness = state.witness;
  if (durable.spec.witness.empty()) {
    return "";
  }
  const std::string name = absl::StrCat("witness ", durable.spec.witness, ": ");
  if (!IsHeard(state, witness, now)) {
    return absl::StrCat(name, "its agent is not connected");
  }
  if (!witness.report->step_error.empty()) {
    return absl::StrCat(name, witness.report->step_error);
  }
  return witness.attached ? "" : absl::StrCat(name, "does not reach ", durable.primary);
}

// What a person should know although every member is as it should be.
std::vector<std::string> Notices(const ClusterState& state) {
  std::vector<std::string> notices;
  for (const auto& [node, member] : state.members) {
    if (std::string warning = DiskWarning(node, member); !warning.empty()) {
      notices.push_back(std::move(warning));
    }
    if (member.report.has_value() && member.report->replay_paused) {
      notices.push_back(absl::StrCat("WAL replay of ", node, " is paused"));
    }
    if (member.report.has_value() && !member.report->pending_restart.empty()) {
      notices.push_back(absl::StrCat(
          node, " waits for a restart: ", absl::StrJoin(member.report->pending_restart, ", ")));
    }
  }
  const std::set<std::string>& maintenance = state.durable.maintenance;
  if (!maintenance.empty()) {
    notices.push_back(absl::StrCat("in maintenance: ", absl::StrJoin(maintenance, ", ")));
  }
  return notices;
}

bool HasVoted(const ClusterState& state, const MemberView& member) {
  return member.report.has_value() && member.report->ballot.has_value() &&
         member.report->ballot->epoch == state.durable.epoch;
}

std::vector<std::string> MissingVotes(const ClusterState& state, BootTime now) {
  std::vector<std::string> missing;
  for (const auto& [node, member] : state.members) {
    if (node == state.durable.primary || !VoteCounts(state.durable, node)) {
      continue;
    }
    const bool voted = HasVoted(state, member);
    if (!IsHeard(state, member, now)) {
      missing.push_back(absl::StrCat(node, " is not heard"));
    } else if (!voted && IsDown(*member.report) && member.report->data_is_complete &&
               member.report->started_epoch > 0) {
      missing.push_back(absl::StrCat(
          node, " was primary before and votes only if it is named (--to ", node, ")"));
    } else if (!voted) {
      missing.push_back(absl::StrCat(node, " has not voted yet"));
    }
  }
  if (std::string why = WhyWitnessDoesNotVote(state, now); !why.empty()) {
    missing.push_back(std::move(why));
  }
  return missing;
}

std::string WhoHasTheNewest(const ClusterState& state) {
  const Durable& durable = state.durable;
  if (durable.sole_copy || durable.quorum.number == 0) {
    return absl::StrCat(durable.primary, " alone may have the newest commits, and it does not run");
  }
  return "the votes do not cover all confirmed commits";
}

// A person has named somebody, and nobody else is promoted.
Phase PhaseWhileNamedIsAwaited(const ClusterState& state, BootTime now) {
  const std::string& named = state.durable.target;
  std::string why = WhyNotEligible(state, named, now);
  if (why.empty()) {
    why = HasVoted(state, state.members.at(named))
              ? absl::StrCat("it has voted; the lease of ", state.durable.primary, " is not over")
              : "it has not voted yet";
  }
  return {"NoPrimary", absl::StrCat("waits for ", named, ", which was named: ", why,
                                    "; to name another one, or nobody: pgmahout cluster failover ",
                                    state.durable.spec.name, " --accept-data-loss [--to NODE]")};
}

Phase PhaseWhilePromoting(const ClusterState& state, BootTime now) {
  const std::string& candidate = state.durable.primary;
  std::string reason = absl::StrCat("promoting ", candidate);
  if (now - state.stage_since >= kNoPrimaryAfter) {
    absl::StrAppend(&reason, ", which takes long (", MemberStateOf(state, candidate, now),
                    "); to promote another one and accept a loss: pgmahout cluster failover ",
                    state.durable.spec.name, " --accept-data-loss --to NODE");
  }
  return {state.durable.planned ? "SwitchingOver" : "FailingOver", std::move(reason)};
}

Phase PhaseWhileFencing(const ClusterState& state, BootTime now) {
  const bool lasts = now - state.stage_since >= kNoPrimaryAfter;
  if (lasts && state.durable.accept_data_loss && !state.durable.target.empty()) {
    return PhaseWhileNamedIsAwaited(state, now);
  }
  if (state.durable.planned && !lasts) {
    return {"SwitchingOver", absl::StrCat("from ", state.durable.primary)};
  }
  std::vector<std::string> reasons = MissingVotes(state, now);
  for (const auto& [node, member] : state.members) {
    if (member.report.has_value() && !member.report->step_error.empty()) {
      reasons.push_back(absl::StrCat(node, ": ", member.report->step_error));
    }
  }
  const std::string missing = absl::StrJoin(reasons, "; ");
  if (!lasts) {
    return {"FailingOver", missing};
  }
  return {"NoPrimary",
          absl::StrCat("nobody can be promoted without a possible loss of commits: ",
                       missing.empty() ? WhoHasTheNewest(state) : missing,
                       "; bring a member back, or accept the loss: pgmahout cluster failover ",
                       state.durable.spec.name, " --accept-data-loss")};
}

// What people asked for and is not over yet.
std::vector<std::string> WorkOf(const Durable& durable) {
  std::vector<std::string> work;
  if (!durable.reinit.node.empty()) {
    work.push_back(absl::StrCat(
        durable.reinit.node,
        durable.reinit.is_ordered ? " is copied anew" : " leaves the quorum, to be copied anew"));
  }
  if (!durable.restart.nodes.empty()) {
    work.push_back(absl::StrCat("a rolling restart is under way: ",
                                absl::StrJoin(durable.restart.nodes, ", then ")));
  }
  return work;
}

Phase PhaseWhilePaused(const ClusterState& state, BootTime now) {
  std::vector<std::string> reasons = {absl::StrCat(
      "nothing is repaired or moved until: pgmahout cluster resume ", state.durable.spec.name)};
  for (const std::string& held_back : HeldBackByPause(state, now)) {
    reasons.push_back(absl::StrCat("held back: ", held_back));
  }
  for (std::string& complaint : Complaints(state, now)) {
    reasons.push_back(std::move(complaint));
  }
  for (std::string& notice : Notices(state)) {
    reasons.push_back(std::move(notice));
  }
  return {"Paused", absl::StrJoin(reasons, "; ")};
}

Phase PhaseWhileRunning(const ClusterState& state, BootTime now) {
  std::vector<std::string> complaints = Complaints(state, now);
  const Durable& durable = state.durable;
  for (std::string& work : WorkOf(durable)) {
    complaints.push_back(std::move(work));
  }
  if (!durable.spec.dns.primary.empty() && !state.names.in_sync) {
    complaints.push_back(absl::StrCat("DNS: ", durable.spec.dns.primary, " is not up to date",
                                      state.names.error.empty() ? "" : ": ", state.names.error));
  }
  if (std::string complaint = WitnessComplaint(state, now); !complaint.empty()) {
    complaints.push_back(std::move(complaint));
  }
  if (IsUnconfirmed(durable)) {
    complaints.emplace_back("the standbys that confirm commits are being changed");
  } else if (durable.spec.synchronous.durability != DataDurability::kOff &&
             durable.quorum.number < durable.spec.synchronous.number &&
             durable.spec.nodes.size() > 1) {
    complaints.push_back(absl::StrCat("commits are confirmed by ", durable.quorum.number,
                                      " standbys instead of ", durable.spec.synchronous.number));
  }
  std::vector<std::string> notices = Notices(state);
  if (complaints.empty()) {
    return {"Healthy", absl::StrJoin(notices, "; ")};
  }
  complaints.insert(complaints.end(), notices.begin(), notices.end());
  return {durable.was_healthy ? "Degraded" : "Creating", absl::StrJoin(complaints, "; ")};
}

Phase PhaseInQuarantine(const ClusterState& state, BootTime now) {
  const std::vector<std::string> missing = WhoIsMissing(state, now);
  return {
      "Degraded",
      absl::StrCat(
          "the controller's store is older than what its agents have obeyed; nothing is "
          "changed until ",
          missing.empty() ? "the member runs that was made writable last" : "all have reported: ",
          absl::StrJoin(missing, "; "),
          "; to go on without them and accept a loss: pgmahout cluster failover ",
          state.durable.spec.name, " --accept-data-loss")};
}

std::string StateOfServer(ServerState server) {
  switch (server) {  // cannot happen: a value without a case, which -Wswitch refuses
    case ServerState::kAbsent:
      return "absent";
    case ServerState::kStopped:
      return "stopped";
    case ServerState::kStarting:
      return "starting";
    case ServerState::kRunning:
      return "running";
    case ServerState::kStopping:
      return "stopping";
    case ServerState::kHung:
      break;
  }
  return "hung";
}

}  // namespace

Phase PhaseOf(const ClusterState& state, BootTime now) {
  if (state.durable.quarantined) {
    return PhaseInQuarantine(state, now);
  }
  switch (state.durable.stage) {  // cannot happen: a value without a case, which -Wswitch refuses
    case Stage::kCreating:
      return {"Creating", absl::StrJoin(Complaints(state, now), "; ")};
    case Stage::kRunning:
      return state.durable.paused ? PhaseWhilePaused(state, now) : PhaseWhileRunning(state, now);
    case Stage::kStopping:
      return {"SwitchingOver", absl::StrCat("waits for the clean stop of ", state.durable.primary)};
    case Stage::kFencing:
      return PhaseWhileFencing(state, now);
    case Stage::kPromoting:
      break;
  }
  return PhaseWhilePromoting(state, now);
}

std::string MemberStateOf(const ClusterState& state, const std::string& node, BootTime now) {
  const MemberView* member = FindMember(state, node);
  if (member == nullptr || !IsHeard(state, *member, now)) {
    return "unknown";
  }
  const Report& report = *member->report;
  if (!report.data_is_complete) {
    return report.server == ServerState::kAbsent && report.step.empty() ? "absent" : "creating";
  }
  if (report.server == ServerState::kRunning && report.role == ServerRole::kStandby) {
    return member->attached ? "streaming" : "running";
  }
  return StateOfServer(report.server);
}

std::string WitnessStateOf(const ClusterState& state, BootTime now) {
  if (!IsHeard(state, state.witness, now)) {
    return "unknown";
  }
  if (!state.witness.attached) {
    return "waiting";
  }
  return state.durable.quorum.witness == state.durable.spec.witness ? "ready" : "watching";
}

std::string EligibleReasonOf(const ClusterState& state, const std::string& node, BootTime now) {
  const std::string barred = WhyNotEligible(state, node, now);
  if (!barred.empty() || node == state.durable.primary || state.durable.stage != Stage::kRunning ||
      state.members.at(node).attached) {
    return barred;
  }
  const std::string& trouble = state.members.at(node).report->receiver_trouble;
  return absl::StrCat("it does not stream: ",
                      trouble.empty() ? "the primary does not see it" : trouble);
}

std::string SyncStateOf(const ClusterState& state, const std::string& node) {
  if (node == state.durable.primary) {
    return "";
  }
  if (!MayConfirm(state.durable, node) && IsInAnyQuorum(state.durable, node)) {
    return "leaving";
  }
  return state.durable.quorum.number > 0 && Contains(state.durable.quorum.standbys, node) ? "quorum"
                                                                                          : "async";
}

}  // namespace pgmahout::controller
