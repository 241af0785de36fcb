// SPDX-License-Identifier: Apache-2.0
// AgentPace: how fast one node may talk. A broken or hostile agent must not take the loop's time
// from the others; one that is too fast is cut off and stays out for some seconds.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/base/clock.h"

namespace pgmahout::controller {

// What may be done `per_second` in the long run, and `burst` times at once. Pure.
class Allowance {
 public:
  Allowance(int64_t per_second, int64_t burst);

  // False: too often; nothing is used up then.
  bool Use(BootTime now);

 private:
  int64_t per_second_;
  int64_t full_;  // thousandths
  int64_t left_;  // thousandths
  std::optional<BootTime> refilled_at_;
};

// For all nodes; lives on the loop. Nodes are known by their certificates, so there are only as
// many as have joined.
class AgentPace {
 public:
  // An agent in a hurry sends 33 heartbeats a second, and it dials about once a second.
  static constexpr int64_t kMessagesPerSecond = 50;
  static constexpr int64_t kMessagesAtOnce = 300;
  static constexpr int64_t kStreamsPerSecond = 1;
  static constexpr int64_t kStreamsAtOnce = 30;
  static constexpr Duration kOutFor{5'000};

  // Whether a stream of `node` may begin. ResourceExhausted says for how long it may not.
  absl::Status Stream(const std::string& node, BootTime now);

  // Whether a further message of `node` is taken. ResourceExhausted: its stream is to be closed,
  // and no other is let in for kOutFor.
  absl::Status Message(const std::string& node, BootTime now);

 private:
  struct Node {
    Allowance messages{kMessagesPerSecond, kMessagesAtOnce};
    Allowance streams{kStreamsPerSecond, kStreamsAtOnce};
    std::optional<BootTime> out_until;
  };

  std::map<std::string, Node> nodes_;
};

}  // namespace pgmahout::controller
