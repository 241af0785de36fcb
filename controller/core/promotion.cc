// SPDX-License-Identifier: Apache-2.0
#include "controller/core/promotion.h"

#include <algorithm>

#include "controller/core/quorum.h"

namespace pgmahout::controller {

Lsn EndOfLostWal(const Turn& turn) {
  const MemberView& old = Primary(turn);
  const bool tells = old.report.has_value() && old.report->clean_stop;
  return tells ? std::max(old.wal_end, old.report->write_lsn) : old.wal_end;
}

void Promote(const Turn& turn, const Candidate& chosen, const std::set<std::string>& voters) {
  Durable& durable = turn.durable();
  const Lsn end_of_lost_wal = EndOfLostWal(turn);
  durable.primary = chosen.node;
  durable.target.clear();
  durable.accept_data_loss = false;  // it was about this choice, not about a later one
  OrderQuorum(turn.state(), QuorumForNewPrimary(durable, chosen.node, voters));
  MemberView& candidate = turn.state().members.at(chosen.node);
  candidate.wal_end = std::max(chosen.ballot.lsn, end_of_lost_wal);
  candidate.wal_end_at = turn.now;
  turn.EnterStage(Stage::kPromoting);
}

void ForgetOldQuorums(const Turn& turn) {
  turn.durable().older.clear();
  turn.durable().sole_copy = true;
}

}  // namespace pgmahout::controller
