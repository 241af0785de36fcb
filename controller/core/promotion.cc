// SPDX-License-Identifier: Apache-2.0
#include "controller/core/promotion.h"

#include <algorithm>
#include <utility>

#include "controller/core/quorum.h"

namespace pgmahout::controller {
namespace {

// Where commits need not wait for standbys, they do not wait for those that nobody hears either:
// the last one left goes on at once. Nobody is promoted unasked after that.
bool WouldWaitInVain(const Turn& turn, const Quorum& quorum) {
  return turn.spec().synchronous.durability == DataDurability::kPreferred &&
         std::none_of(quorum.standbys.begin(), quorum.standbys.end(), [&turn](const auto& node) {
           return IsHeard(turn.state(), turn.state().members.at(node), turn.now);
         });
}

}  // namespace

Lsn EndOfLostWal(const Turn& turn) {
  const MemberView& old = Primary(turn);
  const bool tells = old.report.has_value() && old.report->clean_stop;
  return std::max(
      {turn.durable().lost_wal_end, old.wal_end, tells ? old.report->write_lsn : Lsn{}});
}

void EnterFencing(const Turn& turn) {
  turn.durable().lost_wal_end = EndOfLostWal(turn);
  turn.EnterStage(Stage::kFencing);
}

void TakeTimeline(const Turn& turn, const Report& report) {
  Durable& durable = turn.durable();
  durable.timeline = report.timeline;
  durable.parent_timeline = report.parent_timeline;
  durable.fork_lsn = report.fork_lsn;
  const uint64_t reached = durable.epoch + durable.timelines_ahead;
  if (report.timeline > reached) {  // a server that was adopted, or numbers that the archive knows
    durable.timelines_ahead += static_cast<uint32_t>(report.timeline - reached);
  }
}

void Promote(const Turn& turn, const Candidate& chosen, const std::set<std::string>& voters) {
  Durable& durable = turn.durable();
  const Lsn end_of_lost_wal = EndOfLostWal(turn);
  durable.primary = chosen.node;
  durable.target.clear();
  durable.accept_data_loss = false;  // it was about this choice, not about a later one
  Quorum quorum = QuorumForNewPrimary(durable, chosen.node, voters);
  if (WouldWaitInVain(turn, quorum)) {
    quorum = Quorum{};
  }
  OrderQuorum(turn.state(), std::move(quorum));
  MemberView& candidate = turn.state().members.at(chosen.node);
  candidate.wal_end = std::max(chosen.ballot.lsn, end_of_lost_wal);
  candidate.wal_end_at = turn.now;
  turn.EnterStage(Stage::kPromoting);
}

void ForgetOldQuorums(const Turn& turn) {
  turn.durable().older.clear();
  turn.durable().sole_copy = true;
}

void PassOnPromises(const Turn& turn, const std::string& node) {
  Durable& durable = turn.durable();
  for (Quorum& older : durable.older) {
    if (older.number == 0) {
      std::erase(older.standbys, node);
      durable.sole_copy |= older.standbys.empty();
    }
  }
  std::erase_if(durable.older, [](const Quorum& older) { return older.standbys.empty(); });
}

}  // namespace pgmahout::controller
