// SPDX-License-Identifier: Apache-2.0
#include "controller/core/advance.h"

#include <map>
#include <set>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "controller/core/care.h"
#include "controller/core/disk.h"
#include "controller/core/doubt.h"
#include "controller/core/failover.h"
#include "controller/core/promotion.h"
#include "controller/core/quarantine.h"
#include "controller/core/quorum.h"
#include "controller/core/rejoin.h"
#include "controller/core/turn.h"
#include "controller/core/witness.h"

namespace pgmahout::controller {
namespace {

// ---- Taking an event into the state ----

void Absorb(const Turn& /*turn*/, const Tick& /*tick*/) {}

void MoveOn(std::optional<BootTime>& since, Duration missed) {
  if (since.has_value()) {
    *since = *since + missed;
  }
}

// Time in which nobody watched proves no silence. What others do by their clocks meanwhile (leases,
// votes) is not moved.
void Absorb(const Turn& turn, const WatchInterrupted& event) {
  ClusterState& state = turn.state();
  state.started_at = turn.now;
  state.stage_since = state.stage_since + event.missed;
  state.restart_since = state.restart_since + event.missed;
  const auto move_on = [&event](MemberView& member) {
    member.last_heard = member.last_heard + event.missed;
    MoveOn(member.gone_since, event.missed);
    MoveOn(member.down_since, event.missed);
    MoveOn(member.not_streaming_since, event.missed);
  };
  for (auto& [node, member] : state.members) {
    move_on(member);
  }
  move_on(state.witness);
  turn.Note("watch-interrupted", "",
            absl::StrCat("this controller stood still for ", event.missed.count(),
                         " ms; that time counts as nobody's silence"));
}

void Absorb(const Turn& turn, const StoreIsOld& event) {
  Quarantine(turn, event.evidence, event.incarnation);
}

void Absorb(const Turn& turn, const AgentConnected& event) {
  MemberView* member = FindAgent(turn.state(), event.node);
  if (member == nullptr) {
    return;
  }
  member->connected = true;
  member->gone_since.reset();
  member->address = event.address;
  member->sequence = 0;
}

void Absorb(const Turn& turn, const AgentDisconnected& event) {
  if (MemberView* member = FindAgent(turn.state(), event.node); member != nullptr) {
    member->connected = false;
    member->gone_since = turn.now;
  }
}

void TakeVote(const Turn& turn, const std::string& node, MemberView& member, const Report& report) {
  const bool votes = report.ballot.has_value() && report.ballot->epoch == turn.durable().epoch;
  if (!votes) {
    member.voted_at.reset();
  } else if (!member.voted_at.has_value()) {
    member.voted_at = turn.now;
  }
  const bool new_vote = report.ballot.has_value() && report.ballot->epoch == turn.durable().epoch &&
                        (!member.report.has_value() || member.report->ballot != report.ballot);
  if (new_vote && turn.durable().stage == Stage::kFencing) {
    turn.Note("vote", node,
              absl::StrCat("receives nothing from the old primary any more; its WAL ends at "
                           "timeline ",
                           report.ballot->timeline, ", ", FormatLsn(report.ballot->lsn)),
              true);
  }
}

void NoteStepError(const Turn& turn,
                   const std::string& node,
                   const MemberView& member,
                   const Report& report) {
  if (!report.step_error.empty() &&
      (!member.report.has_value() || member.report->step_error != report.step_error)) {
    turn.Note("agent-step-failed", node, absl::StrCat(report.step, ": ", report.step_error));
  }
}

// Likewise: that the witness reaches it is what the primary says.
void TakeWitness(const Turn& turn, bool attached) {
  MemberView& witness = turn.state().witness;
  witness.attached = attached;
  if (attached) {
    witness.not_streaming_since.reset();
  } else if (!witness.not_streaming_since.has_value()) {
    witness.not_streaming_since = turn.now;
  }
}

// Who streams is what the primary says, not what a standby hopes.
void TakeAttached(const Turn& turn, const Report& report) {
  std::map<std::string, Lsn> streaming;  // how far each has replayed
  for (const Attached& standby : report.attached) {
    if (standby.streaming) {
      streaming[standby.node] = standby.replay_lsn;
    }
  }
  TakeWitness(turn, streaming.count(turn.spec().witness) > 0);
  for (auto& [node, member] : turn.state().members) {
    const bool attached = node != turn.durable().primary && streaming.count(node) > 0;
    if (attached && !member.attached) {
      turn.Note("standby-streams", node, absl::StrCat("streams from ", turn.durable().primary),
                true);
      member.marker = report.write_lsn;
      member.replays = false;
    }
    if (!attached && member.attached) {
      turn.Note("standby-lost", node,
                absl::StrCat("no longer streams from ", turn.durable().primary));
    }
    member.attached = attached;
    member.replays = attached && (member.replays || streaming.at(node) >= member.marker);
    if (attached) {
      member.not_streaming_since.reset();
    } else if (!member.not_streaming_since.has_value()) {
      member.not_streaming_since = turn.now;
    }
  }
}

void TrackPrimary(const Turn& turn, MemberView& member, const Report& report) {
  // A server that starts and crashes in turn is ill all the time.
  if (report.server == ServerState::kRunning) {
    member.down_since.reset();
  } else if (!member.down_since.has_value()) {
    member.down_since = turn.now;
  }
  if (report.role == ServerRole::kPrimary) {
    member.wal_end = std::max(member.wal_end, report.write_lsn);
    member.wal_end_at = turn.now;
  }
  if (turn.durable().stage == Stage::kRunning && report.role == ServerRole::kPrimary &&
      report.writable_epoch == turn.durable().epoch) {
    TakeAttached(turn, report);
  }
}

void Absorb(const Turn& turn, const AgentReported& event) {
  MemberView* member = FindAgent(turn.state(), event.node);
  if (member == nullptr) {
    return;
  }
  AdoptEpoch(turn, event.node, event.report);
  const Report report = Believable(turn, event.node, *member, event.report);
  if (event.node == turn.spec().witness) {
    NoteWitness(turn, report);
  }
  TakeVote(turn, event.node, *member, report);
  NoteStepError(turn, event.node, *member, report);
  TellWhatWasLost(turn, event.node, report);
  WatchDisk(turn, event.node, *member, report);
  member->report = report;
  member->sequence = event.sequence;
  member->connected = true;
  member->gone_since.reset();
  member->last_heard = turn.now;
  if (event.node == turn.durable().primary) {
    TrackPrimary(turn, *member, report);
  } else {
    member->down_since.reset();
  }
}

// What is known of `node` goes on to hold in a new spec. A member that becomes the witness, or the
// other way round, brings its connection only.
MemberView KnownAgent(const Turn& turn, const std::string& node, bool same_part) {
  const MemberView* known = FindAgent(turn.state(), node);
  if (known == nullptr || same_part) {
    return known == nullptr ? MemberView{} : *known;
  }
  MemberView agent;
  agent.address = known->address;
  agent.connected = known->connected;
  agent.gone_since = known->gone_since;
  agent.sequence = known->sequence;
  agent.last_heard = known->last_heard;
  return agent;
}

void Absorb(const Turn& turn, const AgentRefused& event) {
  NoteRefusal(turn, event.node, event.reason);
}

void Absorb(const Turn& turn, const SpecApplied& event) {
  if (!CheckSpecChange(turn.state(), event.spec).ok()) {
    return;  // the primary changed between the check for the caller and now
  }
  Durable& durable = turn.durable();
  std::map<std::string, MemberView> members;
  for (const std::string& node : event.spec.nodes) {
    members[node] = KnownAgent(turn, node, /*same_part=*/node != turn.spec().witness);
  }
  turn.state().witness =
      KnownAgent(turn, event.spec.witness, /*same_part=*/event.spec.witness == turn.spec().witness);
  durable.spec = event.spec;
  durable.revision += 1;
  turn.state().members = std::move(members);
  std::erase_if(durable.rejoined,
                [&turn](const auto& told) { return !turn.state().members.contains(told.first); });
  std::erase_if(durable.maintenance,
                [&event](const std::string& node) { return !Contains(event.spec.nodes, node); });
  turn.Note("spec-applied", "", absl::StrCat("revision ", durable.revision));
}

void Absorb(const Turn& turn, const SwitchoverRequested& event) {
  if (!CheckSwitchover(turn.state(), event.target, turn.now).ok()) {
    return;  // the world changed between the check for the caller and now
  }
  BeginSwitchover(turn, event.target, "");
}

void Absorb(const Turn& turn, const FailoverRequested& event) {
  if (!CheckFailover(turn.state(), event, turn.now).ok()) {
    return;
  }
  if (turn.durable().quarantined) {
    LeaveQuarantineByForce(turn, event.target);
  } else {
    if (turn.durable().stage != Stage::kFencing) {
      BeginEpoch(turn);
      EnterFencing(turn);
    }
    turn.durable().target = event.target;
    turn.durable().accept_data_loss = event.accept_data_loss;
  }
  turn.Note("failover-requested", event.target,
            event.accept_data_loss ? "by a person, who accepts a loss of commits" : "by a person",
            true);
}

void Absorb(const Turn& turn, const PauseRequested& event) {
  TakePause(turn, event);
}

void Absorb(const Turn& turn, const MaintenanceRequested& event) {
  TakeMaintenance(turn, event);
}

void Absorb(const Turn& turn, const ReinitRequested& event) {
  TakeReinit(turn, event);
}

void Absorb(const Turn& turn, const RestartRequested& event) {
  TakeRestart(turn, event);
}

void Absorb(const Turn& turn, const NamesPublished& event) {
  NamesView& names = turn.state().names;
  names.in_flight = false;
  names.answered = event.answered;
  const NameRecords& wanted = turn.durable().names;
  if (event.epoch != wanted.epoch || event.change != wanted.change) {
    names.next_attempt = turn.now;  // it was about records that are no longer wanted
    return;
  }
  if (event.ok) {
    if (!names.in_sync) {
      turn.Note("names-published", turn.durable().primary,
                absl::StrCat(turn.spec().dns.primary, " is up to date"), true);
    }
    names.in_sync = true;
    names.error.clear();
    names.backoff = Duration{0};
    names.next_attempt = turn.now + turn.timing.names_recheck;
    return;
  }
  if (names.error != event.error) {
    turn.Note("names-not-published", turn.durable().primary, event.error, true);
  }
  names.in_sync = false;
  names.error = event.error;
  names.backoff = std::clamp(names.backoff * 2, Duration{250}, turn.timing.names_backoff_max);
  names.next_attempt = turn.now + names.backoff;
}

// ---- Rules of the beginning and the end ----

bool BootstrapIsDone(const Turn& turn) {
  const MemberView& first = Primary(turn);
  return turn.durable().stage == Stage::kCreating && first.report.has_value() &&
         first.report->server == ServerState::kRunning &&
         first.report->role == ServerRole::kPrimary && first.report->roles_ready &&
         first.report->system_identifier != 0 &&
         first.report->writable_epoch == turn.durable().epoch;
}

void EndBootstrap(const Turn& turn, absl::string_view rule) {
  const Report& report = *turn.state().members.at(turn.durable().primary).report;
  turn.durable().system_identifier = report.system_identifier;
  TakeTimeline(turn, report);  // a server that was adopted may be on any
  turn.EnterStage(Stage::kRunning);
  for (auto& [node, member] : turn.state().members) {
    member.not_streaming_since = turn.now;
  }
  turn.state().witness.not_streaming_since = turn.now;
  turn.Note(rule, turn.durable().primary,
            absl::StrCat("first primary, system identifier ", report.system_identifier), true);
}

bool EverybodyStreams(const Turn& turn) {
  for (const auto& [node, member] : turn.state().members) {
    if (node != turn.durable().primary && !member.replays && !InMaintenance(turn.durable(), node)) {
      return false;
    }
  }
  return turn.durable().stage == Stage::kRunning;
}

bool FirstTimeHealthy(const Turn& turn) {
  return !turn.durable().was_healthy && EverybodyStreams(turn) && !IsUnconfirmed(turn.durable());
}

void BecomeHealthy(const Turn& turn, absl::string_view rule) {
  turn.durable().was_healthy = true;
  turn.Note(rule, turn.durable().primary, "every member streams and replays");
}

const std::vector<Rule>& LifeRules() {
  static const std::vector<Rule> rules = {
      {"bootstrap-done", BootstrapIsDone, EndBootstrap},
  };
  return rules;
}

const std::vector<Rule>& HealthRules() {
  static const std::vector<Rule> rules = {
      {"first-time-healthy", FirstTimeHealthy, BecomeHealthy},
  };
  return rules;
}

// Acts on the first rule that applies. Its name, or nothing.
absl::string_view ApplyFirst(const std::vector<Rule>& rules, const Turn& turn) {
  for (const Rule& rule : rules) {
    if (rule.applies(turn)) {
      rule.act(turn, rule.name);
      return rule.name;
    }
  }
  return "";
}

// Safety first: who may write, then who must confirm. What people asked for may begin a change of
// primary, so names come after it.
absl::string_view ApplyOnce(const Turn& turn) {
  if (turn.durable().quarantined) {
    return ApplyFirst(QuarantineRules(), turn);
  }
  for (const auto* rules :
       {&LifeRules(), &FailoverRules(), &SwitchoverRules(), &WitnessRules(), &QuorumRules(),
        &MaintenanceRules(), &ReinitRules(), &RestartRules(), &NamesRules(), &HealthRules()}) {
    if (const absl::string_view name = ApplyFirst(*rules, turn); !name.empty()) {
      return name;
    }
  }
  return "";
}

// ---- Answers ----

bool MayHoldLease(const ClusterState& state, const std::string& node) {
  if (node != state.durable.primary) {
    return false;
  }
  return state.durable.stage == Stage::kCreating || state.durable.stage == Stage::kRunning ||
         state.durable.stage == Stage::kPromoting;
}

void AnswerNode(const Turn& turn, const std::string& node, MemberView& member) {
  Answer answer{node, member.sequence, Duration{0}};
  if (MayHoldLease(turn.state(), node)) {
    answer.lease = turn.spec().failover.lease_ttl;
    member.may_write_until =
        std::max(member.may_write_until, LeaseEnd(answer.lease, turn.now, turn.timing));
  }
  turn.out.effects.push_back(answer);
}

// The heartbeat that came in is answered; so is everybody whose desired state has changed.
void AnswerAll(const Turn& turn, const ClusterState& before, const Event& event) {
  if (turn.durable().quarantined) {
    return;
  }
  const auto* reported = std::get_if<AgentReported>(&event);
  const auto answer = [&](const std::string& node, MemberView& member) {
    if (!member.connected || member.sequence == 0) {
      return;
    }
    const bool asked = reported != nullptr && reported->node == node;
    const bool changed = DesiredFor(before, node) != DesiredFor(turn.state(), node);
    if (asked || changed) {
      AnswerNode(turn, node, member);
    }
  };
  for (auto& [node, member] : turn.state().members) {
    answer(node, member);
  }
  answer(turn.spec().witness, turn.state().witness);
}

// `found_again`: the store was old, and its primary may have been another one.
void CheckInvariants(const ClusterState& before, const ClusterState& after, bool found_again) {
  PGM_CHECK(after.durable.epoch >= before.durable.epoch);  // I4
  if (after.durable.primary != before.durable.primary && !found_again) {
    PGM_CHECK(after.durable.stage == Stage::kPromoting);
  }
  PGM_CHECK(after.durable.names.epoch >= before.durable.names.epoch);  // I8
}

}  // namespace

Outcome Advance(ClusterState state, const Event& event, BootTime now, const Timing& timing) {
  const ClusterState before = state;
  Outcome out{std::move(state), false, {}, {}, {}};
  const Turn turn{out, now, timing};
  std::visit([&turn](const auto& happened) { Absorb(turn, happened); }, event);
  const bool was_quarantined = before.durable.quarantined || out.state.durable.quarantined;
  constexpr int kEnough = 32;  // each rule makes progress, so a table that goes on is a bug
  int turns = 0;
  for (absl::string_view rule = ApplyOnce(turn); !rule.empty(); rule = ApplyOnce(turn)) {
    out.rule = std::string(rule);
    PGM_CHECK(++turns < kEnough);
  }
  CheckInvariants(before, out.state, was_quarantined);
  AnswerAll(turn, before, event);
  out.durable_changed = !(before.durable == out.state.durable);
  return out;
}

bool HasAgent(const ClusterState& state, const std::string& node) {
  return FindAgent(state, node) != nullptr;
}

ClusterState Restore(Durable durable,
                     BootTime now,
                     const NodeAddresses& addresses,
                     const Timing& timing) {
  ClusterState state;
  state.started_at = now;
  state.stage_since = now;
  state.restart_since = now;
  state.names.next_attempt = now;
  for (const std::string& node : durable.spec.nodes) {
    MemberView member;
    member.last_heard = now;
    member.may_write_until = LeaseEnd(durable.spec.failover.lease_ttl, now, timing);
    member.not_streaming_since = now;
    state.members[node] = member;
  }
  state.witness.last_heard = now;
  state.witness.not_streaming_since = now;
  state.durable = std::move(durable);
  for (const auto& [node, address] : addresses) {
    if (MemberView* agent = FindAgent(state, node); agent != nullptr) {
      agent->address = address;
    }
  }
  return state;
}

ClusterState Create(ClusterSpec spec, std::string sealed_replication_password, BootTime now) {
  PGM_CHECK(!spec.nodes.empty());
  Durable durable;
  durable.epoch = 1;
  durable.revision = 1;
  durable.primary = spec.nodes.front();
  durable.spec = std::move(spec);
  durable.replication_password_sealed = std::move(sealed_replication_password);
  return Restore(std::move(durable), now);
}

}  // namespace pgmahout::controller
