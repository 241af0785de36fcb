// SPDX-License-Identifier: Apache-2.0
#include "agent/core/stream_watch.h"

namespace pgmahout::agent {
namespace {

bool ReceivesNothing(const Observation& seen) {
  return seen.sql.has_value() && seen.sql->in_recovery && !seen.sql->receiver_streaming;
}

// What comes before a start or lasts long. A server that somebody has stopped is left alone.
bool IsBroughtBack(const Observation& seen, StepKind last_step) {
  return !seen.postmaster_alive &&
         (last_step == StepKind::kRemember || last_step == StepKind::kConfigure ||
          last_step == StepKind::kBaseBackup);
}

// It has not said yet how far it is.
bool IsComing(const Observation& seen) {
  return seen.server == ServerState::kStarting && seen.replaying.empty();
}

}  // namespace

void StreamWatch::Take(const Observation& seen, StepKind last_step, BootTime now) {
  const bool stands_still = !seen.replaying.empty() && seen.replaying == replaying_;
  const bool has_ended = !seen.postmaster_alive && last_step == StepKind::kStart;
  replaying_ = seen.replaying;
  if (ReceivesNothing(seen) || stands_still || has_ended) {
    since_ = since_.value_or(now);
  } else if (!IsBroughtBack(seen, last_step) && !IsComing(seen)) {
    since_.reset();
  }
}

void StreamWatch::Reset() {
  since_.reset();
}

}  // namespace pgmahout::agent
