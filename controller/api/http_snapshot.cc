// SPDX-License-Identifier: Apache-2.0
#include "controller/api/http_snapshot.h"

#include "controller/core/status.h"

namespace pgmahout::controller {

ControllerSnapshot SnapshotOf(const Conductor& conductor, uint64_t incarnation) {
  ControllerSnapshot snapshot;
  snapshot.incarnation = incarnation;
  snapshot.counters = conductor.counters();
  for (const auto& [node, agent] : conductor.agents()) {
    snapshot.agents.emplace_back(node, agent.hello.address);
  }
  const BootTime now = conductor.Now();
  for (const std::string& name : conductor.Names()) {
    const ClusterState& state = *conductor.Find(name);
    ClusterSnapshot& cluster = snapshot.clusters.emplace_back();
    cluster.name = name;
    cluster.phase = PhaseOf(state, now).name;
    cluster.epoch = state.durable.epoch;
    cluster.quorum = state.durable.quorum.number;
    cluster.names_wanted = !state.durable.spec.dns.primary.empty();
    cluster.names_in_sync = state.names.in_sync;
    for (const auto& [node, member] : state.members) {
      cluster.members.emplace_back(node, MemberStateOf(state, node, now));
    }
  }
  return snapshot;
}

}  // namespace pgmahout::controller
