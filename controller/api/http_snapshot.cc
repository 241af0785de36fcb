// SPDX-License-Identifier: Apache-2.0
#include "controller/api/http_snapshot.h"

#include <map>
#include <utility>

#include "controller/core/status.h"

namespace pgmahout::controller {
namespace {

ClusterSnapshot ClusterSnapshotOf(const ClusterState& state, BootTime now) {
  ClusterSnapshot cluster;
  cluster.name = state.durable.spec.name;
  cluster.phase = PhaseOf(state, now).name;
  cluster.epoch = state.durable.epoch;
  cluster.quorum = state.durable.quorum.number;
  cluster.names_wanted = !state.durable.spec.dns.primary.empty();
  cluster.names_in_sync = state.names.in_sync;
  for (const auto& [node, member] : state.members) {
    cluster.members.emplace_back(node, MemberStateOf(state, node, now));
  }
  return cluster;
}

}  // namespace

ControllerSnapshot SnapshotOf(const Conductor& conductor, uint64_t incarnation) {
  ControllerSnapshot snapshot;
  snapshot.incarnation = incarnation;
  snapshot.counters = conductor.counters();
  snapshot.agents_connected = conductor.agents().size();
  std::map<std::string, Target> targets;
  for (const auto& [node, agent] : conductor.agents()) {
    targets[node] = Target{node, agent.hello.address, agent.cluster};
  }
  const BootTime now = conductor.Now();
  for (const std::string& name : conductor.Names()) {
    const ClusterState& state = *conductor.Find(name);
    snapshot.clusters.push_back(ClusterSnapshotOf(state, now));
    for (const auto& [node, member] : state.members) {
      if (!member.address.empty()) {
        targets.try_emplace(node, Target{node, member.address, name});
      }
    }
    if (const std::string& witness = state.durable.spec.witness; !state.witness.address.empty()) {
      targets.try_emplace(witness, Target{witness, state.witness.address, name});
    }
  }
  for (auto& [node, target] : targets) {
    snapshot.targets.push_back(std::move(target));
  }
  return snapshot;
}

}  // namespace pgmahout::controller
