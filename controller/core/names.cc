// SPDX-License-Identifier: Apache-2.0
// Names: what DNS should say. The primary's name only ever moves to a node that is confirmed
// writable at the present epoch (I8); publishing never holds up a promotion.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {
namespace {

std::vector<std::string> StandbyAddresses(const ClusterState& state) {
  std::vector<std::string> addresses;
  for (const auto& [node, member] : state.members) {
    if (node != state.durable.primary && member.attached && !member.address.empty() &&
        !InMaintenance(state.durable, node)) {
      addresses.push_back(member.address);
    }
  }
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

bool NamesAreWanted(const Turn& turn) {
  // A controller that has just begun may have an old store: first the primary's agent comes back.
  return turn.durable().stage == Stage::kRunning && !turn.spec().dns.primary.empty() &&
         turn.state().members.at(turn.durable().primary).report.has_value();
}

// Right after a restart of this controller nobody seems to stream; only the primary tells.
bool WhoStreamsIsKnown(const Turn& turn) {
  const MemberView& primary = turn.state().members.at(turn.durable().primary);
  return primary.report->writable_epoch == turn.durable().epoch;
}

NameRecords Wanted(const Turn& turn) {
  NameRecords records = turn.durable().names;
  records.epoch = turn.durable().epoch;
  records.primary_addresses = {turn.state().members.at(turn.durable().primary).address};
  records.standby_addresses.clear();
  if (!turn.spec().dns.standbys.empty()) {
    records.standby_addresses = WhoStreamsIsKnown(turn) ? StandbyAddresses(turn.state())
                                                        : turn.durable().names.standby_addresses;
  }
  return records;
}

bool RecordsShouldChange(const Turn& turn) {
  return NamesAreWanted(turn) && Wanted(turn) != turn.durable().names;
}

void ChangeRecords(const Turn& turn, absl::string_view rule) {
  NameRecords wanted = Wanted(turn);
  const bool moves = wanted.primary_addresses != turn.durable().names.primary_addresses ||
                     wanted.epoch != turn.durable().names.epoch;
  wanted.change += 1;
  turn.durable().names = wanted;
  turn.state().names.in_sync = false;
  turn.state().names.backoff = Duration{0};
  turn.state().names.next_attempt = turn.now;
  if (moves) {
    turn.Note(rule, turn.durable().primary,
              absl::StrCat(turn.spec().dns.primary, " shall say ",
                           absl::StrJoin(wanted.primary_addresses, ", ")),
              true);
  }
}

bool PublishIsDue(const Turn& turn) {
  const NamesView& names = turn.state().names;
  return NamesAreWanted(turn) && !names.in_flight && turn.now >= names.next_attempt;
}

void Publish(const Turn& turn, absl::string_view /*rule*/) {
  turn.state().names.in_flight = true;
  turn.out.effects.push_back(PublishNames{turn.durable().names});
}

}  // namespace

const std::vector<Rule>& NamesRules() {
  static const std::vector<Rule> rules = {
      {"change-names", RecordsShouldChange, ChangeRecords},
      {"publish-names", PublishIsDue, Publish},
  };
  return rules;
}

}  // namespace pgmahout::controller
