// SPDX-License-Identifier: Apache-2.0
// PostgreSQL as far as decisions rest on it: flushing, streaming, confirming, acknowledging.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/pg/names.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {
namespace {

// PostgreSQL panics where the timeline that it follows left the one that it must become consistent
// on too early.
bool LeftTooEarly(const Vm& standby, const Vm& primary) {
  return !standby.IsConsistent() && primary.disk.timeline > standby.disk.min_recovery_timeline &&
         primary.disk.fork_lsn < standby.disk.min_recovery_lsn;
}

// A standby is on the timeline that its last record belongs to, not yet on the one it shall reach.
uint32_t TimelineAtEnd(const Disk& disk) {
  uint32_t last = 1;
  for (const auto& [timeline, fork] : disk.history) {
    last = LsnAt(disk.wal.size()) >= fork ? timeline : last;
  }
  return last;
}

// What PostgreSQL compares before it streams: numbers of timelines, and where they end.
bool HistoriesAgree(const Vm& standby, const Vm& primary) {
  const std::map<uint32_t, Lsn>& history = primary.disk.history;
  const uint32_t timeline = standby.disk.timeline;
  const auto next = history.upper_bound(timeline);
  const Lsn end = next == history.end() ? LsnAt(primary.disk.flushed) : next->second;
  return (timeline == 1 || history.count(timeline) > 0) && LsnAt(standby.disk.wal.size()) <= end;
}

}  // namespace

// Its WAL is the beginning of the primary's; anything else PostgreSQL refuses to stream, unless two
// timelines have one number.
bool Simulation::CanFollow(const Vm& standby, const Vm& primary) const {
  const Wal& ours = standby.disk.wal;
  const Wal& theirs = primary.disk.wal;
  return primary.IsPrimary() && ours.size() <= primary.disk.flushed &&
         std::equal(ours.begin(), ours.end(), theirs.begin());
}

// Clients write, and WAL reaches the disk in its own time.
void Simulation::Flush(Vm& vm) {
  if (!vm.server.running || now_ < vm.disk_stuck_until) {
    return;
  }
  if (vm.Commits() && Random(3) == 0) {
    vm.disk.wal.push_back(next_commit_++);
  }
  if (Random(2) == 0) {
    vm.disk.flushed = vm.disk.wal.size();
  }
}

void Simulation::EndStops(Vm& vm) {
  if (vm.server.stopping && now_ >= vm.server.stopped_at) {
    vm.Crash();
  }
}

void Simulation::Replicate(Vm& standby) {
  Server& server = standby.server;
  if (!standby.Acts(now_) || !server.running || !server.in_recovery || server.stopping ||
      server.promotion.has_value()) {
    return;
  }
  const bool is_wanted = server.receives_from == server.loaded.upstream;
  if (!is_wanted && now_ >= server.receiver_ends) {
    server.receives_from.clear();
  }
  const std::string wanted =
      server.receives_from.empty() ? server.loaded.upstream : server.receives_from;
  const auto found = vms_.find(wanted);
  if (found == vms_.end()) {
    return;
  }
  Vm& primary = found->second;
  const bool reachable = BothWays(standby.name, primary.name) && primary.powered;
  if (!reachable) {
    return;  // silence: the connection looks alive for a while
  }
  const bool can_follow = CanFollow(standby, primary);
  if (primary.IsPrimary() && !can_follow && HistoriesAgree(standby, primary)) {
    Break(absl::StrCat("I7: ", standby.name, " may follow ", primary.name,
                       ", whose history has the same numbers and is another one"));
  }
  if (!primary.server.running || !can_follow || !CanSend(primary, standby)) {
    server.receives_from.clear();  // a reset, or a refusal
    return;
  }
  if (!primary.Acts(now_)) {
    return;
  }
  if (server.receives_from.empty()) {
    if (primary.server.stopping || Random(3) != 0) {
      return;
    }
    server.receives_from = wanted;
    server.received_at = now_;
  }
  Receive(standby, primary);
}

void Simulation::Receive(Vm& standby, Vm& primary) {
  if (LeftTooEarly(standby, primary)) {
    standby.Crash();
    return;
  }
  Wal& wal = standby.disk.wal;
  const size_t missing = primary.disk.flushed - wal.size();
  size_t more = missing == 0 ? 0 : Random(static_cast<uint32_t>(missing) + 1);
  if (primary.server.stopping && now_ + kLastOfWal >= primary.server.stopped_at) {
    more = missing;  // walsenders send everything before they end
  }
  const auto from = primary.disk.wal.begin() + static_cast<std::ptrdiff_t>(wal.size());
  wal.insert(wal.end(), from, from + static_cast<std::ptrdiff_t>(more));
  standby.disk.history = primary.disk.history;
  standby.disk.checkpoints = primary.disk.checkpoints;
  std::erase_if(standby.disk.checkpoints, [&wal](size_t records) { return records > wal.size(); });
  standby.disk.timeline = TimelineAtEnd(standby.disk);
  if (more > 0 || Random(4) == 0) {
    standby.server.received_at = now_;
  }
  primary.server.attached[standby.name] = now_;
  if (now_ < standby.disk_stuck_until) {
    return;
  }
  standby.disk.flushed = wal.size();
  if (Random(2) == 0) {
    primary.server.confirmations.push_back(
        Confirmation{Soon(60, 600), standby.name, standby.disk.flushed});
  }
}

// What was on its way when a standby detached, or when this VM froze, still arrives.
void Simulation::TakeConfirmations(Vm& primary) {
  std::deque<Confirmation>& waiting = primary.server.confirmations;
  while (!waiting.empty() && waiting.front().due <= now_) {
    const Confirmation one = waiting.front();
    waiting.pop_front();
    if (primary.IsPrimary() && Reaches(one.standby, primary.name)) {
      size_t& flushed = primary.server.flushed[one.standby];
      flushed = std::max(flushed, one.flushed);
      if (const std::string slot = SlotNameOf(one.standby); HasSlot(primary, slot)) {
        std::optional<size_t>& restart = primary.disk.slots[slot];
        restart = std::max(restart, std::optional(one.flushed));
      }
    }
  }
}

void Simulation::Acknowledge(Vm& primary) {
  Server& server = primary.server;
  if (!primary.Commits()) {
    return;
  }
  const bool settling = now_ - server.loaded_at < Duration{400} && Random(2) == 0;
  const Quorum& quorum = settling ? server.loaded_before : server.loaded.quorum;
  while (server.acknowledged < primary.disk.flushed) {
    const auto confirmed = std::count_if(
        quorum.standbys.begin(), quorum.standbys.end(), [&server](const std::string& node) {
          const auto known = server.flushed.find(node);
          return known != server.flushed.end() && known->second > server.acknowledged;
        });
    if (static_cast<uint32_t>(confirmed) < quorum.number) {
      return;
    }
    const uint32_t commit = primary.disk.wal[server.acknowledged++];
    if (commit != 0) {
      Acknowledged(primary, quorum, commit);
    }
  }
}

}  // namespace pgmahout::sim
