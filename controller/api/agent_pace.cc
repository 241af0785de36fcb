// SPDX-License-Identifier: Apache-2.0
#include "controller/api/agent_pace.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"

namespace pgmahout::controller {
namespace {

constexpr char kHint[] = "The agent is broken, or its certificate is used by something else.";

}  // namespace

Allowance::Allowance(int64_t per_second, int64_t burst)
    : per_second_(per_second), full_(burst * 1000), left_(full_) {}

bool Allowance::Use(BootTime now) {
  constexpr int64_t kOne = 1000;
  if (refilled_at_.has_value()) {
    // A millisecond brings per_second_ thousandths; an hour is more than any burst.
    const int64_t passed =
        std::clamp<int64_t>((now - *refilled_at_).count(), 0, int64_t{3600} * 1000);
    left_ = std::min(full_, left_ + passed * per_second_);
  }
  refilled_at_ = now;
  if (left_ < kOne) {
    return false;
  }
  left_ -= kOne;
  return true;
}

absl::Status AgentPace::Stream(const std::string& node, BootTime now) {
  Node& known = nodes_[node];
  if (known.out_until.has_value() && now < *known.out_until) {
    return WithHint(absl::ResourceExhaustedError(
                        absl::StrCat("node \"", node, "\" was too fast; it is let in ",
                                     (*known.out_until - now).count(), " ms from now")),
                    kHint);
  }
  if (!known.streams.Use(now)) {
    return WithHint(
        absl::ResourceExhaustedError(absl::StrCat("node \"", node, "\" dials more often than ",
                                                  kStreamsPerSecond, " times a second")),
        kHint);
  }
  return absl::OkStatus();
}

absl::Status AgentPace::Message(const std::string& node, BootTime now) {
  Node& known = nodes_[node];
  if (known.messages.Use(now)) {
    return absl::OkStatus();
  }
  known.out_until = now + kOutFor;
  return WithHint(absl::ResourceExhaustedError(absl::StrCat(
                      "node \"", node, "\" sends more than ", kMessagesPerSecond,
                      " heartbeats a second; it is cut off for ", kOutFor.count() / 1000, " s")),
                  kHint);
}

}  // namespace pgmahout::controller
