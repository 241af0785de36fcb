// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/guard_target.h"

#include "agent/guard/server_killer.h"
#include "common/base/status_macros.h"

namespace pgmahout::guard {

absl::Status GuardTarget::Follow(const GuardOrder* order) {
  if (order == nullptr || !order->armed) {
    armed_for_.reset();
    real_directory_.clear();
    return absl::OkStatus();
  }
  if (armed_for_ == order->data_directory) {
    return absl::OkStatus();
  }
  armed_for_ = order->data_directory;
  real_directory_.clear();
  return ProveIfNeeded();
}

absl::Status GuardTarget::ProveIfNeeded() {
  if (real_directory_.empty()) {
    PGM_ASSIGN_OR_RETURN(real_directory_, ProveDataDirectory(*armed_for_));
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::guard
