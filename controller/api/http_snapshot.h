// SPDX-License-Identifier: Apache-2.0
// What the controller's HTTP endpoint shows, copied on the loop once a second.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/conductor/conductor.h"

namespace pgmahout::controller {

struct ClusterSnapshot {
  std::string name;
  std::string phase;
  uint64_t epoch = 0;
  uint32_t quorum = 0;  // standbys that confirm each commit
  bool names_wanted = false;
  bool names_in_sync = false;
  std::vector<std::pair<std::string, std::string>> members;  // node, state
};

// An agent whose metrics Prometheus should scrape.
struct Target {
  std::string node;
  std::string address;
  std::string cluster;  // empty: member of none

  friend bool operator==(const Target&, const Target&) = default;
};

struct ControllerSnapshot {
  uint64_t incarnation = 0;
  Counters counters;
  uint64_t agents_connected = 0;
  // Connected agents, and members that are away: an agent that is down must stay a target, or
  // nobody is alerted. Sorted by node.
  std::vector<Target> targets;
  std::vector<ClusterSnapshot> clusters;
};

// On the loop.
ControllerSnapshot SnapshotOf(const Conductor& conductor, uint64_t incarnation);

}  // namespace pgmahout::controller
