// SPDX-License-Identifier: Apache-2.0
// Turn: one evaluation of the rules: the state as it changes, the time, and what comes out. Small
// questions about the state that several rules ask live here too.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/check.h"
#include "controller/core/advance.h"
#include "controller/core/outcome.h"

namespace pgmahout::controller {

struct Turn {
  Outcome& out;
  BootTime now;
  const Timing& timing;

  ClusterState& state() const { return out.state; }

  Durable& durable() const { return out.state.durable; }

  const ClusterSpec& spec() const { return out.state.durable.spec; }

  // Writes a line of history; `history` for what belongs to a change of primary.
  void Note(absl::string_view rule,
            absl::string_view node,
            absl::string_view message,
            bool history = false) const {
    out.entries.push_back(Entry{std::string(rule), std::string(node), durable().epoch,
                                std::string(message), history});
  }

  void EnterStage(Stage stage) const {
    durable().stage = stage;
    out.state.stage_since = now;
    out.state.waiting_for.clear();
  }

  Duration InStageFor() const { return now - out.state.stage_since; }
};

// An ordered table of these decides: the first rule that applies acts, then the table is read
// again. The name is what logs, metrics and history show.
struct Rule {
  absl::string_view name;
  bool (*applies)(const Turn&);
  void (*act)(const Turn&, absl::string_view rule);
};

inline MemberView* FindMember(ClusterState& state, const std::string& node) {
  const auto found = state.members.find(node);
  return found == state.members.end() ? nullptr : &found->second;
}

inline const MemberView* FindMember(const ClusterState& state, const std::string& node) {
  const auto found = state.members.find(node);
  return found == state.members.end() ? nullptr : &found->second;
}

// A member or the witness.
inline MemberView* FindAgent(ClusterState& state, const std::string& node) {
  const std::string& witness = state.durable.spec.witness;
  return !witness.empty() && node == witness ? &state.witness : FindMember(state, node);
}

inline const MemberView* FindAgent(const ClusterState& state, const std::string& node) {
  const std::string& witness = state.durable.spec.witness;
  return !witness.empty() && node == witness ? &state.witness : FindMember(state, node);
}

// The primary, or in kFencing the node that was, or in kPromoting the one that was chosen. It is a
// member always: CheckSpecChange() sees to that.
inline const MemberView& PrimaryOf(const ClusterState& state) {
  const MemberView* member = FindMember(state, state.durable.primary);
  PGM_CHECK(member != nullptr);
  return *member;
}

inline const MemberView& Primary(const Turn& turn) {
  return PrimaryOf(turn.state());
}

inline bool InStage(const Turn& turn, Stage stage) {
  return turn.durable().stage == stage;
}

// Whether the agent of `member` spoke within the cluster's detectAfter.
inline bool IsHeard(const ClusterState& state, const MemberView& member, BootTime now) {
  return member.connected && member.report.has_value() &&
         now - member.last_heard < state.durable.spec.failover.detect_after;
}

// Whether nothing came from `member` for detectAfter. Unlike !IsHeard(), an agent that just dials
// again is not silent yet, and nobody is right after a restart of this controller.
inline bool IsSilent(const ClusterState& state, const MemberView& member, BootTime now) {
  return now - member.last_heard >= state.durable.spec.failover.detect_after;
}

inline bool IsDown(const Report& report) {
  return report.server == ServerState::kStopped || report.server == ServerState::kAbsent;
}

inline uint32_t PriorityOf(const ClusterSpec& spec, const std::string& node) {
  const auto found = spec.failover.priority.find(node);
  return found == spec.failover.priority.end() ? 100 : found->second;
}

// A person works on it: it is in no quorum, never promoted, and not started when it is stopped.
inline bool InMaintenance(const Durable& durable, const std::string& node) {
  return durable.maintenance.count(node) > 0;
}

// Whether `node` may be a member of a quorum: nobody is about to stop it for long.
inline bool MayConfirm(const Durable& durable, const std::string& node) {
  return !InMaintenance(durable, node) && durable.reinit.node != node;
}

inline bool Contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// The latest moment at which a lease granted at `now` can still be in use on the agent's clock.
inline BootTime LeaseEnd(Duration lease, BootTime now, const Timing& timing) {
  const Duration drift{lease.count() * 2 * timing.drift_per_mille / 1000};
  return now + lease + drift + timing.lease_slack;
}

// Votes of an earlier epoch say nothing about the new one.
inline void BeginEpoch(const Turn& turn) {
  turn.durable().epoch += 1;
  for (auto& [node, member] : turn.state().members) {
    member.voted_at.reset();
  }
}

// Rules of the parts, in the order in which Advance reads them.
const std::vector<Rule>& FailoverRules();
const std::vector<Rule>& SwitchoverRules();
const std::vector<Rule>& WitnessRules();
const std::vector<Rule>& QuorumRules();
const std::vector<Rule>& MaintenanceRules();
const std::vector<Rule>& ReinitRules();
const std::vector<Rule>& RestartRules();
const std::vector<Rule>& NamesRules();

}  // namespace pgmahout::controller
