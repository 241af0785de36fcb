// SPDX-License-Identifier: Apache-2.0
// Outcome: what one event leads to. The loop stores `durable_changed` and `history`, waits until
// they are on disk, and only then performs `effects`. Never the other way round (I6).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "controller/core/cluster_state.h"

namespace pgmahout::controller {

// Answer a node's heartbeat with its desired state, as DesiredFor() says, and this lease.
struct Answer {
  std::string node;
  uint64_t sequence = 0;
  Duration lease{0};

  friend bool operator==(const Answer&, const Answer&) = default;
};

struct PublishNames {
  NameRecords records;

  friend bool operator==(const PublishNames&, const PublishNames&) = default;
};

using Effect = std::variant<Answer, PublishNames>;

// A line of the cluster's history.
struct Entry {
  std::string rule;
  std::string node;
  uint64_t epoch = 0;
  std::string message;
  bool history = false;  // belongs to a change of primary
};

struct Outcome {
  ClusterState state;
  bool durable_changed = false;
  std::vector<Entry> entries;
  std::vector<Effect> effects;
  std::string rule;  // the last rule that changed something; empty: none did
};

}  // namespace pgmahout::controller
