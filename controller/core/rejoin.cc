// SPDX-License-Identifier: Apache-2.0
#include "controller/core/rejoin.h"

#include "absl/strings/str_cat.h"

namespace pgmahout::controller {
namespace {

std::string Describe(const DivergedWal& wal) {
  const std::string kept =
      absl::StrCat("; kept on the node below dataRoot, in diverged/epoch-", wal.epoch);
  if (!wal.from.valid()) {
    return absl::StrCat("its WAL of timeline ", wal.timeline, " ended at ", FormatLsn(wal.to),
                        "; where it left the cluster's history is not known", kept);
  }
  const uint64_t bytes = BytesBetween(wal.from, wal.to);
  if (bytes == 0) {
    return absl::StrCat("nothing was lost: the new timeline has all of its WAL, up to ",
                        FormatLsn(wal.from));
  }
  return absl::StrCat(bytes, " bytes of its WAL were lost: ", FormatLsn(wal.from), " to ",
                      FormatLsn(wal.to), " on timeline ", wal.timeline, kept);
}

}  // namespace

void TellWhatWasLost(const Turn& turn, const std::string& node, const Report& report) {
  Durable& durable = turn.durable();
  if (!report.diverged.has_value() || report.diverged->epoch > durable.epoch) {
    return;
  }
  const auto told = durable.rejoined.find(node);
  if (told != durable.rejoined.end() && told->second >= report.diverged->epoch) {
    return;
  }
  durable.rejoined[node] = report.diverged->epoch;
  turn.Note("rejoined", node, Describe(*report.diverged), /*history=*/true);
}

}  // namespace pgmahout::controller
