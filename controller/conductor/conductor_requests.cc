// SPDX-License-Identifier: Apache-2.0
// The conductor's answers to people: apply, switchover, failover, delete; adopt is in
// conductor_adoption.cc. Each is checked first, so
// that the caller gets the reasons before anything moves.
#include <memory>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "controller/conductor/cluster.h"
#include "controller/conductor/conductor.h"
#include "controller/conductor/durable_codec.h"
#include "controller/core/adoption.h"

namespace pgmahout::controller {

const ClusterState* Conductor::Find(const std::string& cluster) const {
  const auto found = clusters_.find(cluster);
  return found == clusters_.end() ? nullptr : &found->second->state;
}

std::vector<std::string> Conductor::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, cluster] : clusters_) {
    names.push_back(name);
  }
  return names;
}

absl::Status Conductor::CheckNodes(const ClusterSpec& spec) const {
  std::vector<std::string> nodes = spec.nodes;
  if (!spec.witness.empty()) {
    nodes.push_back(spec.witness);
  }
  for (const std::string& node : nodes) {
    for (const auto& [name, cluster] : clusters_) {
      if (name != spec.name && HasAgent(cluster->state, node)) {
        return WithHint(absl::FailedPreconditionError(absl::StrCat(
                            "node \"", node, "\" belongs to cluster \"", name, "\" already")),
                        "A node carries one cluster, or is the witness of one.");
      }
    }
    const absl::StatusOr<controller::Record> known = store_.Get("node", node);
    if (absl::IsNotFound(known.status())) {
      return WithHint(
          absl::FailedPreconditionError(absl::StrCat("node \"", node, "\" has not joined yet")),
          absl::StrCat("Make a token for its agent: pgmahout token create --node ", node));
    }
    PGM_RETURN_IF_ERROR(known.status());
  }
  if (!spec.dns.primary.empty() && names_.For(spec.dns.primary) == nullptr) {
    return WithHint(absl::FailedPreconditionError(
                        absl::StrCat("no DNS zone is configured for \"", spec.dns.primary, "\"")),
                    "Add the zone to dns: in controller.yaml, or choose a name inside one.");
  }
  return absl::OkStatus();
}

absl::Status Conductor::CheckApply(const ClusterSpec& spec) const {
  PGM_RETURN_IF_ERROR(CheckNodes(spec));
  const ClusterState* state = Find(spec.name);
  return state == nullptr ? absl::OkStatus() : CheckSpecChange(*state, spec);
}

void Conductor::Apply(ClusterSpec spec, Reply reply) {
  if (const absl::Status status = CheckApply(spec); !status.ok()) {
    reply(status);
    return;
  }
  StoreSpec(std::move(spec), "", std::move(reply));
}

void Conductor::StoreSpec(ClusterSpec spec, const std::string& adopted_primary, Reply reply) {
  const auto credentials = secrets_.MissingCredentials(spec);
  if (!credentials.ok()) {
    reply(credentials.status());
    return;
  }
  Transaction transaction;
  transaction.puts = *credentials;
  auto shared = std::make_shared<std::pair<ClusterSpec, Reply>>(std::move(spec), std::move(reply));
  async_store_.Commit(
      std::move(transaction), [this, shared, adopted_primary](const absl::Status& stored) {
        loop_.Post([this, shared, adopted_primary, stored] {
          auto& [wanted, answer] = *shared;
          if (!stored.ok()) {
            answer(stored);
            return;
          }
          if (Find(wanted.name) == nullptr) {
            Create(std::move(wanted), adopted_primary, std::move(answer));
            return;
          }
          const std::string name = wanted.name;
          Enqueue(name, SpecApplied{std::move(wanted)},
                  [this, name, answer = std::move(answer)](const absl::Status& status) mutable {
                    if (status.ok()) {
                      RefreshSecrets(*clusters_.at(name));
                      AttachAgents(*clusters_.at(name));
                    }
                    answer(status);
                  });
        });
      });
}

void Conductor::RefreshSecrets(Cluster& cluster) {
  auto credentials = secrets_.Verifiers(cluster.state.durable.spec);
  if (credentials.ok()) {
    cluster.credentials = *std::move(credentials);
  } else {
    LogError("cannot read the credentials of a cluster",
             {{"cluster", cluster.name}, {"error", std::string(credentials.status().message())}});
  }
}

void Conductor::Create(ClusterSpec spec, const std::string& adopted_primary, Reply reply) {
  const std::string name = spec.name;
  const auto sealed = secrets_.NewReplicationPassword(name);
  const auto password =
      sealed.ok() ? secrets_.OpenReplicationPassword(name, *sealed) : sealed.status();
  if (!password.ok()) {
    reply(password.status());
    return;
  }
  auto cluster = std::make_unique<Cluster>();
  cluster->name = name;
  const uint64_t epoch = FirstEpoch(spec);
  cluster->state = adopted_primary.empty()
                       ? controller::Create(std::move(spec), *sealed, clock_.Now())
                       : CreateAdopted(std::move(spec), adopted_primary, *sealed, clock_.Now());
  cluster->state.durable.epoch = epoch;
  cluster->replication_password = *password;
  RefreshSecrets(*cluster);
  Transaction transaction;
  transaction.puts.push_back(Put{kClusterKind, name, EncodeDurable(cluster->state.durable), 0});
  auto shared = std::make_shared<std::pair<std::unique_ptr<Cluster>, Reply>>(std::move(cluster),
                                                                             std::move(reply));
  async_store_.Commit(std::move(transaction), [this, name, shared](const absl::Status& stored) {
    loop_.Post([this, name, shared, stored] {
      if (stored.ok()) {
        shared->first->version = 1;
        Cluster& created = *(clusters_[name] = std::move(shared->first));
        LogInfo("cluster created", {{"cluster", name}});
        AttachAgents(created);
      }
      shared->second(stored);
    });
  });
}

void Conductor::Switchover(const std::string& cluster,
                           const std::string& target,
                           bool dry_run,
                           Reply reply) {
  const ClusterState* state = Find(cluster);
  const absl::Status check =
      state == nullptr ? NoSuchCluster(cluster) : CheckSwitchover(*state, target, clock_.Now());
  if (!check.ok() || dry_run) {
    reply(check);
    return;
  }
  Enqueue(cluster, SwitchoverRequested{target}, std::move(reply));
}

void Conductor::Failover(const std::string& cluster,
                         const FailoverRequested& request,
                         bool dry_run,
                         Reply reply) {
  const ClusterState* state = Find(cluster);
  const absl::Status check =
      state == nullptr ? NoSuchCluster(cluster) : CheckFailover(*state, request, clock_.Now());
  if (!check.ok() || dry_run) {
    reply(check);
    return;
  }
  Enqueue(cluster, request, std::move(reply));
}

namespace {

absl::Status Check(const ClusterState& state, const PauseRequested& request, BootTime now) {
  return CheckPause(state, request, now);
}

absl::Status Check(const ClusterState& state, const MaintenanceRequested& request, BootTime now) {
  return CheckMaintenance(state, request, now);
}

absl::Status Check(const ClusterState& state, const ReinitRequested& request, BootTime now) {
  return CheckReinit(state, request, now);
}

absl::Status Check(const ClusterState& state, const RestartRequested& request, BootTime now) {
  return CheckRestart(state, request, now);
}

template <typename Other>
absl::Status Check(const ClusterState& /*state*/, const Other& /*event*/, BootTime /*now*/) {
  return absl::InternalError("no request of a person");
}

}  // namespace

void Conductor::Request(const std::string& cluster, Event request, bool dry_run, Reply reply) {
  const ClusterState* state = Find(cluster);
  const absl::Status check =
      state == nullptr
          ? NoSuchCluster(cluster)
          : std::visit([&](const auto& event) { return Check(*state, event, clock_.Now()); },
                       request);
  if (!check.ok() || dry_run) {
    reply(check);
    return;
  }
  Enqueue(cluster, std::move(request), std::move(reply));
}

void Conductor::Delete(const std::string& name, Reply reply) {
  const auto found = clusters_.find(name);
  if (found == clusters_.end()) {
    reply(NoSuchCluster(name));
    return;
  }
  if (found->second->busy) {
    reply(absl::AbortedError(
        absl::StrCat("cluster \"", name, "\" is being changed at this moment; try again")));
    return;
  }
  // From here on no event may change it.
  found->second->busy = true;
  Transaction transaction;
  transaction.erases.push_back(Erase{kClusterKind, name, found->second->version});
  auto shared = std::make_shared<Reply>(std::move(reply));
  async_store_.Commit(std::move(transaction), [this, name, shared](const absl::Status& stored) {
    loop_.Post([this, name, shared, stored] {
      if (stored.ok()) {
        clusters_.erase(name);
        for (auto& [node, agent] : agents_) {
          if (agent.cluster == name) {
            agent.cluster.clear();
            agent.letting_go = true;  // until it says that it has
          }
        }
        LogInfo("cluster forgotten", {{"cluster", name}});
      } else {
        clusters_.at(name)->busy = false;
      }
      (*shared)(stored);
    });
  });
}

}  // namespace pgmahout::controller
