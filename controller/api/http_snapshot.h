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
  uint32_t quorum = 0;
  bool names_wanted = false;
  bool names_in_sync = false;
  std::vector<std::pair<std::string, std::string>> members;  // node, state
};

struct ControllerSnapshot {
  uint64_t incarnation = 0;
  Counters counters;
  std::vector<std::pair<std::string, std::string>> agents;  // node, address
  std::vector<ClusterSnapshot> clusters;
};

// On the loop.
ControllerSnapshot SnapshotOf(const Conductor& conductor, uint64_t incarnation);

}  // namespace pgmahout::controller
