// SPDX-License-Identifier: Apache-2.0
#include "agent/core/witness.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace pgmahout::agent {
namespace {

// A standby that is further behind than this many markers is no witness anyway.
constexpr size_t kMarkersKept = 64;

}  // namespace

void Witnesses::Take(const Observation& observation) {
  if (!observation.postmaster_alive ||
      (observation.sql.has_value() && observation.sql->in_recovery)) {
    markers_.clear();
    seen_.clear();
    return;
  }
  if (!observation.sql.has_value()) {
    return;  // it did not answer this time; what is known stays true
  }
  const SqlFacts& sql = *observation.sql;
  if (sql.marker_before.has_value() && sql.marker_lsn.valid()) {
    markers_.push_back(Marker{*sql.marker_before, sql.marker_lsn});
    if (markers_.size() > kMarkersKept) {
      markers_.pop_front();
    }
  }
  for (const Attached& standby : sql.attached) {
    if (standby.streaming) {
      Match(standby);
    }
  }
}

void Witnesses::Match(const Attached& standby) {
  for (auto marker = markers_.rbegin(); marker != markers_.rend(); ++marker) {
    if (standby.flush_lsn >= marker->lsn) {
      BootTime& seen = seen_.emplace(standby.node, marker->before).first->second;
      seen = std::max(seen, marker->before);
      return;
    }
  }
}

std::optional<BootTime> WriteDeadline(const std::optional<Lease>& lease,
                                      const std::map<std::string, BootTime>& witnesses,
                                      BootTime now) {
  if (!lease.has_value()) {
    return std::nullopt;
  }
  const size_t needed = WitnessesNeeded(lease->quorum);
  if (lease->length <= Duration{0}) {
    return lease->deadline;
  }
  if (needed == 0) {
    return std::max(lease->deadline, now + lease->length);  // nobody else can be promoted unasked
  }
  std::vector<BootTime> times;
  for (const std::string& node : lease->quorum.standbys) {
    if (const auto found = witnesses.find(node); found != witnesses.end()) {
      times.push_back(found->second);
    }
  }
  if (times.size() < needed) {
    return lease->deadline;
  }
  std::sort(times.begin(), times.end(), std::greater<>());
  return std::max(lease->deadline, times[needed - 1] + lease->length);
}

}  // namespace pgmahout::agent
