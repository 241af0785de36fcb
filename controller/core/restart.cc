// SPDX-License-Identifier: Apache-2.0
// Rolling restart: one member at a time, standbys first, and the next only when the last one
// streams again. The primary hands over to a standby, or is restarted where it is.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "controller/core/care.h"
#include "controller/core/quorum.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {
namespace {

bool IsUnderWay(const Turn& turn) {
  return !turn.durable().restart.nodes.empty();
}

const std::string& Present(const Turn& turn) {
  return turn.durable().restart.nodes.front();
}

const MemberView* PresentMember(const Turn& turn) {
  return FindMember(turn.state(), Present(turn));
}

// A change of primary that is not its own, or a member that does not come back.
bool RestartIsObsolete(const Turn& turn) {
  return IsUnderWay(turn) &&
         (turn.durable().restart.epoch != turn.durable().epoch ||
          (InStage(turn, Stage::kRunning) &&
           turn.now - turn.state().restart_since >= turn.timing.restart_patience));
}

void DropRestart(const Turn& turn, absl::string_view rule) {
  const Restart& restart = turn.durable().restart;
  if (restart.epoch != turn.durable().epoch) {
    GiveUpRestart(turn, rule, "the primary changed meanwhile");
    return;
  }
  GiveUpRestart(turn, rule,
                absl::StrCat(Present(turn), restart.server == 0 ? " could not be restarted in time"
                                                                : " has not come back in time"));
}

bool PresentMemberIsOut(const Turn& turn) {
  return IsUnderWay(turn) &&
         (PresentMember(turn) == nullptr || InMaintenance(turn.durable(), Present(turn)));
}

void GoOn(const Turn& turn) {
  Restart& restart = turn.durable().restart;
  restart.nodes.erase(restart.nodes.begin());
  restart.server = 0;
  turn.state().restart_since = turn.now;
  if (restart.nodes.empty()) {
    restart = Restart{};
    turn.Note("restart-over", "", "every member that was asked for is restarted", true);
  }
}

void SkipMember(const Turn& turn, absl::string_view rule) {
  turn.Note(rule, Present(turn), "it does not take part any more");
  GoOn(turn);
}

bool RunsAnew(const MemberView& member, uint64_t server) {
  return member.report.has_value() && member.report->server == ServerState::kRunning &&
         member.report->server_started != 0 && member.report->server_started != server;
}

// What the primary says may be about the stream of the old server, which it has not missed yet;
// what the new one says of its WAL receiver is not.
bool StreamsAnew(const MemberView& member) {
  return member.report->receiver_streaming && member.attached && member.replays;
}

bool MemberIsBack(const Turn& turn) {
  const uint64_t server = turn.durable().restart.server;
  if (!IsUnderWay(turn) || server == 0 || !InStage(turn, Stage::kRunning)) {
    return false;
  }
  const MemberView& member = *PresentMember(turn);
  return RunsAnew(member, server) &&
         (Present(turn) == turn.durable().primary || StreamsAnew(member));
}

void NoteBack(const Turn& turn, absl::string_view rule) {
  turn.Note(rule, Present(turn),
            Present(turn) == turn.durable().primary ? "writable again" : "streams again");
  GoOn(turn);
}

// Whom commits may wait for streams, but for the member whose turn it is.
bool OthersStream(const Turn& turn) {
  const auto& members = turn.state().members;
  return std::all_of(members.begin(), members.end(), [&turn](const auto& other) {
    const auto& [node, member] = other;
    return member.attached || node == Present(turn) ||
           !Contains(turn.durable().quorum.standbys, node);
  });
}

// Nothing else may be under way: two members that are away at once are one too many.
bool NextMayBegin(const Turn& turn) {
  if (!IsUnderWay(turn) || !InStage(turn, Stage::kRunning) || turn.durable().restart.server != 0 ||
      IsUnconfirmed(turn.durable()) || !IsHeard(turn.state(), Primary(turn), turn.now) ||
      !OthersStream(turn)) {
    return false;
  }
  const MemberView& member = *PresentMember(turn);
  return IsHeard(turn.state(), member, turn.now) && member.report->server_started != 0;
}

bool StandbyIsNext(const Turn& turn) {
  return NextMayBegin(turn) && Present(turn) != turn.durable().primary;
}

void RestartStandby(const Turn& turn, absl::string_view rule) {
  turn.durable().restart.server = PresentMember(turn)->report->server_started;
  turn.Note(rule, Present(turn), "told to restart");
}

// Asked after StandbyIsNext(), as the next rule.
bool SwitchoverIsNext(const Turn& turn) {
  return NextMayBegin(turn) && !turn.durable().restart.in_place &&
         CheckSwitchover(turn.state(), "", turn.now).ok();
}

bool PrimaryInPlaceIsNext(const Turn& turn) {
  return NextMayBegin(turn) && turn.durable().restart.in_place;
}

void StopPrimary(const Turn& turn, const std::string& target) {
  PGM_CHECK(Present(turn) == turn.durable().primary);
  const uint64_t server = PresentMember(turn)->report->server_started;
  BeginSwitchover(turn, target, "for the rolling restart");
  turn.durable().restart.server = server;
  turn.durable().restart.epoch = turn.durable().epoch;
}

void RestartBySwitchover(const Turn& turn, absl::string_view rule) {
  turn.Note(rule, Present(turn), "hands over to a standby and starts as one");
  StopPrimary(turn, "");
}

void RestartInPlace(const Turn& turn, absl::string_view rule) {
  turn.Note(rule, Present(turn), "stops and starts again as the primary");
  StopPrimary(turn, turn.durable().primary);
}

bool NeedsRestart(const ClusterState& state, const std::string& node, bool forced) {
  const MemberView& member = state.members.at(node);
  return member.report.has_value() && member.report->server_started != 0 &&
         !InMaintenance(state.durable, node) && (forced || !member.report->pending_restart.empty());
}

// Why `node`, whose turn it would be, cannot be restarted; empty: it can.
std::string WhyNotMember(const ClusterState& state,
                         const std::string& node,
                         const RestartRequested& request,
                         BootTime now) {
  if (!IsHeard(state, state.members.at(node), now)) {
    return absl::StrCat("the agent of ", node, " is not heard");
  }
  const bool hands_over =
      node == state.durable.primary && !request.in_place && state.members.size() > 1;
  if (hands_over && !CheckSwitchover(state, "", now).ok()) {
    return absl::StrCat("no standby can take over from ", node,
                        " now; --in-place restarts it where it is");
  }
  return "";
}

std::string WhyNotNow(const ClusterState& state, const RestartRequested& request) {
  if (state.durable.stage != Stage::kRunning) {
    return "a change of primary is under way, or there is none";
  }
  if (!request.node.empty() && FindMember(state, request.node) == nullptr) {
    return absl::StrCat(request.node, " is no member");
  }
  if (!state.durable.restart.nodes.empty()) {
    return "a rolling restart is under way already";
  }
  if (!state.durable.reinit.node.empty()) {
    return absl::StrCat(state.durable.reinit.node, " is being copied anew");
  }
  return "";
}

// One line for each member that was asked for, as none needs a restart.
std::vector<std::string> WhyNobody(const ClusterState& state, const RestartRequested& request) {
  std::vector<std::string> reasons;
  for (const auto& [node, member] : state.members) {
    if (!request.node.empty() && node != request.node) {
      continue;
    }
    const bool runs = member.report.has_value() && member.report->server_started != 0;
    reasons.push_back(InMaintenance(state.durable, node)
                          ? absl::StrCat(node, ": it is in maintenance")
                      : runs ? absl::StrCat(node, ": no parameter waits for a restart")
                             : absl::StrCat(node, ": its server does not run"));
  }
  return reasons;
}

}  // namespace

std::vector<std::string> MembersToRestart(const ClusterState& state,
                                          const RestartRequested& request) {
  std::vector<std::string> nodes;
  for (const auto& [node, member] : state.members) {
    if ((request.node.empty() || node == request.node) && node != state.durable.primary &&
        NeedsRestart(state, node, request.forced)) {
      nodes.push_back(node);
    }
  }
  const std::string& primary = state.durable.primary;
  if ((request.node.empty() || request.node == primary) &&
      NeedsRestart(state, primary, request.forced)) {
    nodes.push_back(primary);
  }
  return nodes;
}

absl::Status CheckRestart(const ClusterState& state,
                          const RestartRequested& request,
                          BootTime now) {
  if (state.durable.quarantined) {
    return RefuseInQuarantine(state, "restart", now);
  }
  if (state.durable.paused) {
    return RefuseWhilePaused(state, "restart");
  }
  const std::string show = "See pgmahout cluster show " + state.durable.spec.name;
  if (const std::string why = WhyNotNow(state, request); !why.empty()) {
    return Refuse(state, "restart", {why}, show);
  }
  const std::vector<std::string> nodes = MembersToRestart(state, request);
  if (nodes.empty()) {
    return Refuse(state, "restart", WhyNobody(state, request),
                  "--force restarts servers that run although nothing waits for it.");
  }
  std::vector<std::string> reasons;
  for (const std::string& node : nodes) {
    if (const std::string why = WhyNotMember(state, node, request, now); !why.empty()) {
      reasons.push_back(why);
    }
  }
  return reasons.empty() ? absl::OkStatus() : Refuse(state, "restart", reasons, show);
}

void TakeRestart(const Turn& turn, const RestartRequested& event) {
  if (!CheckRestart(turn.state(), event, turn.now).ok()) {
    return;
  }
  const bool alone = turn.state().members.size() == 1;
  turn.durable().restart = Restart{MembersToRestart(turn.state(), event), 0, turn.durable().epoch,
                                   event.in_place || alone};
  turn.state().restart_since = turn.now;
  turn.Note("restart-requested", "", absl::StrJoin(turn.durable().restart.nodes, ", then "), true);
}

void GiveUpRestart(const Turn& turn, absl::string_view rule, absl::string_view why) {
  if (IsUnderWay(turn)) {
    turn.Note(
        rule, Present(turn),
        absl::StrCat(why, "; not restarted: ", absl::StrJoin(turn.durable().restart.nodes, ", ")),
        true);
    turn.durable().restart = Restart{};
  }
}

const std::vector<Rule>& RestartRules() {
  static const std::vector<Rule> rules = {
      {"restart-given-up", RestartIsObsolete, DropRestart},
      {"restart-skips", PresentMemberIsOut, SkipMember},
      {"restarted", MemberIsBack, NoteBack},
      {"restart-standby", StandbyIsNext, RestartStandby},
      {"restart-by-switchover", SwitchoverIsNext, RestartBySwitchover},
      {"restart-in-place", PrimaryInPlaceIsNext, RestartInPlace},
  };
  return rules;
}

}  // namespace pgmahout::controller
