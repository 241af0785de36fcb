// SPDX-License-Identifier: Apache-2.0
// How often the daemon looks at its server and speaks to the controller.
#include <algorithm>

#include "agent/daemon/daemon.h"

namespace pgmahout::agent {

// While nothing is under way one look a second is enough.
bool Daemon::IsBusy() const {
  return running_.has_value() || last_step_.kind != StepKind::kWait || Hurries() ||
         (last_report_.server != ServerState::kRunning && !IsWitness()) ||
         stream_watch_.since().has_value();
}

bool Daemon::IsWitness() const {
  return orders_.desired.has_value() && orders_.desired->assignment == Assignment::kWitness;
}

// Writes wait for what happens here now.
bool Daemon::Hurries() const {
  if (!orders_.desired.has_value()) {
    return false;
  }
  const DesiredState& desired = *orders_.desired;
  return desired.assignment == Assignment::kPrepare || desired.clean_stop ||
         (desired.assignment == Assignment::kPrimary && memory_.started_epoch < desired.epoch);
}

// detectAfter is only worth what the looks and heartbeats within it are: five of them.
Duration Daemon::HeartbeatPeriod() const {
  constexpr Duration kShortest{200};
  if (!orders_.desired.has_value() || orders_.desired->cluster.empty()) {
    return config_.observe_period;
  }
  return std::clamp(orders_.desired->spec.failover.detect_after / 5, kShortest,
                    config_.observe_period);
}

Duration Daemon::LookPeriod() const {
  if (Hurries()) {
    return config_.hurried_period;
  }
  return IsBusy() ? config_.busy_period : HeartbeatPeriod();
}

}  // namespace pgmahout::agent
