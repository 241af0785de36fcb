// SPDX-License-Identifier: Apache-2.0
#include "common/pg/timeline_history.h"

namespace pgmahout {

uint32_t TimelineOf(Lsn lsn, uint32_t timeline, const std::map<uint32_t, Lsn>& ends) {
  // From the latest on: a server that was promoted before it reached the timeline it was heading
  // for wrote that one down all the same, with an end before its beginning.
  uint32_t found = timeline;
  for (auto ancestor = ends.rbegin(); ancestor != ends.rend() && lsn.valid(); ++ancestor) {
    if (lsn >= ancestor->second) {
      break;
    }
    found = ancestor->first;
  }
  return found;
}

}  // namespace pgmahout
