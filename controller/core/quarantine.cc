// SPDX-License-Identifier: Apache-2.0
#include "controller/core/quarantine.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "controller/core/promotion.h"

namespace pgmahout::controller {
namespace {

// Agents of a silent controller give their streams up and dial again: a report counts that long.
constexpr Duration kReportIsFresh{20'000};

// What the zone holds may have been published by the lost store, or by one that was restored from
// the same copy before. Later changes must count as newer.
constexpr uint64_t kChangesSkipped = 1'000'000;

// No store is older than that many changes of primary. An agent that claims more talks nonsense.
constexpr uint64_t kEpochsBelieved = 100'000;

// Empty: the node has told what it is.
std::string WhyMissing(const ClusterState& state, const MemberView& member, BootTime now) {
  if (!member.report.has_value() || now - member.last_heard >= kReportIsFresh) {
    return "it has not reported";
  }
  const Report& report = *member.report;
  if (report.system_identifier != 0 &&
      report.system_identifier != state.durable.system_identifier) {
    return absl::StrCat("its data has system identifier ", report.system_identifier);
  }
  return "";
}

// The member that was made writable last, if it still runs. Asked once nobody is missing: among all
// members, as there is one primary per epoch (I4), nobody else can have acknowledged anything
// later. One that is down hides behind a primary of an earlier epoch that still runs: also those
// that are down count.
const std::string* LastPrimary(const ClusterState& state) {
  const std::string* last = nullptr;
  uint64_t highest = 0;  // no order has made it writable
  for (const auto& [node, member] : state.members) {
    const uint64_t made = std::max(member.report->started_epoch, member.report->writable_epoch);
    if (made > highest) {
      highest = made;
      last = &node;
    }
  }
  if (last == nullptr) {
    return nullptr;
  }
  const Report& report = *state.members.at(*last).report;
  const bool runs = report.server == ServerState::kRunning && report.role == ServerRole::kPrimary &&
                    report.writable_epoch == highest;
  return runs ? last : nullptr;
}

bool PrimaryIsKnown(const Turn& turn) {
  const std::vector<std::string> missing = WhoIsMissing(turn.state(), turn.now);
  return missing.empty() && LastPrimary(turn.state()) != nullptr;
}

// The best guess at whose data to go on with: a later timeline, then a later epoch as primary, then
// more WAL. A server that crashed as primary tells less WAL than it has. Whoever has told what it
// is counts, also between two streams.
std::string MostAdvanced(const Turn& turn) {
  std::string best = turn.durable().primary;
  std::tuple<uint32_t, uint64_t, Lsn> most;
  for (const auto& [node, member] : turn.state().members) {
    const bool has_told = WhyMissing(turn.state(), member, turn.now).empty();
    if (!has_told || !member.report->data_is_complete || PriorityOf(turn.spec(), node) == 0) {
      continue;
    }
    const Report& report = *member.report;
    const std::tuple<uint32_t, uint64_t, Lsn> has = {
        report.timeline, report.started_epoch, std::max(report.write_lsn, report.receive_lsn)};
    if (has > most) {
      most = has;
      best = node;
    }
  }
  return best;
}

// Which quorums governed commits meanwhile is not known: until enough standbys hold all that the
// primary has, no votes prove anything.
void TrustOnly(const Turn& turn, const std::string& primary) {
  Durable& durable = turn.durable();
  durable.quarantined = false;
  durable.primary = primary;
  durable.older.clear();
  durable.sole_copy = true;
  durable.lost_wal_end = Lsn{};
  durable.planned = false;
  durable.target.clear();
  durable.accept_data_loss = false;
  durable.names.change += kChangesSkipped;
  turn.state().quorum_barrier.reset();
}

void AdoptPrimary(const Turn& turn, absl::string_view rule) {
  const std::string node = *LastPrimary(turn.state());
  const Report report = *turn.state().members.at(node).report;
  TrustOnly(turn, node);
  TakeTimeline(turn, report);
  if (report.writable_epoch == turn.durable().epoch) {
    turn.durable().quorum = report.quorum_in_effect.value_or(Quorum{});
    turn.EnterStage(Stage::kRunning);
  } else {  // the lost store had begun to replace it
    BeginEpoch(turn);
    EnterFencing(turn);
  }
  for (auto& [name, member] : turn.state().members) {
    member.attached = false;
    member.replays = false;
    member.not_streaming_since = turn.now;
  }
  turn.Note(rule, node,
            absl::StrCat("every member has reported; it was made writable last, at epoch ",
                         report.writable_epoch),
            true);
}

}  // namespace

void Quarantine(const Turn& turn, absl::string_view evidence, uint64_t incarnation) {
  uint64_t& change = turn.durable().names.change;
  change = std::max(change, incarnation * kChangesSkipped);
  if (turn.durable().quarantined) {
    return;
  }
  turn.durable().quarantined = true;
  turn.Note("store-is-old", "",
            absl::StrCat("the store was restored from a copy: ", evidence,
                         "; no orders until every member has reported"),
            true);
}

void AdoptEpoch(const Turn& turn, const std::string& node, const Report& report) {
  const bool is_ours = report.cluster == turn.spec().name &&
                       (report.system_identifier == 0 ||
                        report.system_identifier == turn.durable().system_identifier);
  if (!is_ours || report.epoch <= turn.durable().epoch ||
      report.epoch - turn.durable().epoch > kEpochsBelieved) {
    return;
  }
  const std::string evidence = absl::StrCat(node, " has obeyed epoch ", report.epoch,
                                            ", the store knows ", turn.durable().epoch);
  turn.durable().epoch = report.epoch;
  Quarantine(turn, evidence, /*incarnation=*/0);
}

void LeaveQuarantineByForce(const Turn& turn, const std::string& target) {
  TrustOnly(turn, target.empty() ? MostAdvanced(turn) : target);
  BeginEpoch(turn);
  EnterFencing(turn);
}

std::vector<std::string> WhoIsMissing(const ClusterState& state, BootTime now) {
  std::vector<std::string> missing;
  for (const auto& [node, member] : state.members) {
    if (const std::string why = WhyMissing(state, member, now); !why.empty()) {
      missing.push_back(absl::StrCat(node, ": ", why));
    }
  }
  return missing;
}

const std::vector<Rule>& QuarantineRules() {
  static const std::vector<Rule> rules = {
      {"adopt-primary", PrimaryIsKnown, AdoptPrimary},
  };
  return rules;
}

}  // namespace pgmahout::controller
