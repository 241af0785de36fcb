// SPDX-License-Identifier: Apache-2.0
// Event: everything that can make a cluster's state change.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/model/cluster_spec.h"
#include "common/model/report.h"

namespace pgmahout::controller {

struct Tick {};

// The controller itself stood still for `missed`: its machine was frozen or moved, or starved.
// Comes before everything that waited meanwhile.
struct WatchInterrupted {
  Duration missed{0};
};

// The store is older than the agents: somebody says so, or they have obeyed a later one.
struct StoreIsOld {
  std::string evidence;
  uint64_t incarnation = 0;  // of the store by now; higher than any that an agent has told of
};

struct AgentConnected {
  std::string node;
  std::string address;
};

struct AgentDisconnected {
  std::string node;
};

struct AgentReported {
  std::string node;
  uint64_t sequence = 0;
  Report report;
};

// A stream or a message of that node was refused.
struct AgentRefused {
  std::string node;
  std::string reason;
};

struct SpecApplied {
  ClusterSpec spec;
};

struct SwitchoverRequested {
  std::string target;  // empty: the best standby
};

struct FailoverRequested {
  std::string target;
  bool accept_data_loss = false;
};

struct PauseRequested {
  bool paused = true;  // false: resume
};

struct MaintenanceRequested {
  std::string node;
  bool on = true;
};

// A new base backup for a standby.
struct ReinitRequested {
  std::string node;
};

struct RestartRequested {
  std::string node;       // empty: every member that needs it
  bool forced = false;    // also where no parameter waits for a restart
  bool in_place = false;  // never by switchover
};

// What became of one PublishNames effect.
struct NamesPublished {
  uint64_t epoch = 0;
  uint64_t change = 0;
  bool ok = false;
  std::string error;
  std::vector<std::string> answered;
};

using Event = std::variant<Tick,
                           WatchInterrupted,
                           StoreIsOld,
                           AgentConnected,
                           AgentDisconnected,
                           AgentReported,
                           AgentRefused,
                           SpecApplied,
                           SwitchoverRequested,
                           FailoverRequested,
                           PauseRequested,
                           MaintenanceRequested,
                           ReinitRequested,
                           RestartRequested,
                           NamesPublished>;

}  // namespace pgmahout::controller
