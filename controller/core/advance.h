// SPDX-License-Identifier: Apache-2.0
// Advance: the controller's pure decision. Nothing here reads a clock, a file or the network.
//
// Reading order: the tables in advance.cc, then failover.cc and switchover.cc for who may write
// next, quorum.cc for who must confirm a commit, names.cc for what DNS says.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "controller/core/cluster_state.h"
#include "controller/core/event.h"
#include "controller/core/outcome.h"

namespace pgmahout::controller {

// How often each side does what, and how far clocks may drift (design, section 5).
struct Timing {
  Duration heartbeat{1'000};
  Duration fence_margin{3'000};         // the agent begins to fence that long before its deadline
  Duration lease_slack{500};            // scheduling and delivery, on top of the drift
  int64_t drift_per_mille = 2;          // rate error of one clock
  Duration standby_gone_after{10'000};  // then it leaves the quorum
  Duration blocked_after{3'000};        // likewise, while commits wait for nobody else
  Duration resume_after{3'000};         // voting has failed for so long: restart the old primary
  Duration stop_timeout{30'000};        // a switchover's clean stop
  Duration redial_patience{500};        // an agent whose stream was cut by accident is back by then
  Duration successor_patience{500};     // then standbys vote on who follows a clean stop
  Duration names_recheck{60'000};       // read DNS back although nothing changed
  Duration names_backoff_max{30'000};
  Duration restart_patience{600'000};  // a member that is not back by then ends a rolling restart
};

Outcome Advance(ClusterState state, const Event& event, BootTime now, const Timing& timing = {});

// Where each agent was last, by node.
using NodeAddresses = std::map<std::string, std::string>;

// The state a controller starts with: what the store holds, and the worst about the rest: any
// member may have been given a lease a moment before the restart.
ClusterState Restore(Durable durable,
                     BootTime now,
                     const NodeAddresses& addresses = {},
                     const Timing& timing = {});

// A new cluster. Nothing is durable yet: Advance(Tick) goes on.
ClusterState Create(ClusterSpec spec, std::string sealed_replication_password, BootTime now);

// Whether `node` is a member of the cluster or its witness: its agent takes orders from here.
bool HasAgent(const ClusterState& state, const std::string& node);

// What one node should make true now. `credentials` and the password are filled in by the caller,
// who can open sealed secrets.
DesiredState DesiredFor(const ClusterState& state, const std::string& node);

// Why a switchover (to `target`, or to the best standby when empty) cannot start now; OK if it can.
absl::Status CheckSwitchover(const ClusterState& state, const std::string& target, BootTime now);

// Likewise for a failover that a person asks for.
absl::Status CheckFailover(const ClusterState& state,
                           const FailoverRequested& request,
                           BootTime now);

// Why the controller cannot do now what a person asks for; OK if it can. For the ...Requested
// events.
absl::Status CheckPause(const ClusterState& state, const PauseRequested& request, BootTime now);
absl::Status CheckMaintenance(const ClusterState& state,
                              const MaintenanceRequested& request,
                              BootTime now);
absl::Status CheckReinit(const ClusterState& state, const ReinitRequested& request, BootTime now);
absl::Status CheckRestart(const ClusterState& state, const RestartRequested& request, BootTime now);

// Whether `spec` may replace the cluster's present one.
absl::Status CheckSpecChange(const ClusterState& state, const ClusterSpec& spec);

}  // namespace pgmahout::controller
