// SPDX-License-Identifier: Apache-2.0
#include "controller/api/http.h"

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/http/http_server.h"
#include "common/http/metrics.h"

namespace pgmahout::controller {
namespace {

constexpr Duration kFresh{5'000};
constexpr int kAgentMetricsPort = 9187;  // the agents' default
constexpr const char* kPhases[] = {"Creating",      "Healthy",   "Degraded", "FailingOver",
                                   "SwitchingOver", "NoPrimary", "Paused"};

double Number(uint64_t value) {
  return static_cast<double>(value);
}

void AddCounters(const ControllerSnapshot& snapshot, Metrics* metrics) {
  const Counters& counters = snapshot.counters;
  metrics->Gauge("pgmahout_controller_info", "Version of the controller.", 1,
                 {{"version", std::string(kVersion)}});
  metrics->Gauge("pgmahout_controller_incarnation", "How often the store was opened.",
                 Number(snapshot.incarnation));
  metrics->Gauge("pgmahout_controller_agents_connected", "Agents that hold a stream.",
                 Number(snapshot.agents_connected));
  metrics->Counter("pgmahout_controller_reports_total", "Heartbeats received.",
                   Number(counters.reports));
  metrics->Counter("pgmahout_controller_orders_total", "Orders sent.", Number(counters.orders));
  metrics->Counter("pgmahout_controller_commits_total", "Decisions stored.",
                   Number(counters.commits));
  metrics->Counter("pgmahout_controller_commit_failures_total",
                   "Decisions that could not be stored.", Number(counters.commit_failures));
  metrics->Counter("pgmahout_controller_agents_refused_total", "Streams that were refused.",
                   Number(counters.agents_refused));
  metrics->Counter("pgmahout_controller_joins_total", "Nodes that joined.", Number(counters.joins));
  metrics->Counter("pgmahout_controller_joins_refused_total", "Nodes that were not let in.",
                   Number(counters.joins_refused));
  for (const auto& [rule, count] : counters.rules) {
    metrics->Counter("pgmahout_controller_rules_total", "How often each rule has decided.",
                     Number(count), {{"rule", rule}});
  }
}

void AddCluster(const ClusterSnapshot& cluster, Metrics* metrics) {
  const Labels name = {{"cluster", cluster.name}};
  for (const char* phase : kPhases) {
    metrics->Gauge("pgmahout_cluster_phase", "1 for the phase the cluster is in.",
                   cluster.phase == phase ? 1 : 0, {{"cluster", cluster.name}, {"phase", phase}});
  }
  metrics->Gauge("pgmahout_cluster_epoch", "Epoch of the cluster.", Number(cluster.epoch), name);
  metrics->Gauge("pgmahout_cluster_quorum_number", "Standbys that confirm each commit.",
                 cluster.quorum, name);
  if (cluster.names_wanted) {
    metrics->Gauge("pgmahout_cluster_dns_in_sync", "Whether DNS says what it should.",
                   cluster.names_in_sync ? 1 : 0, name);
  }
  std::map<std::string, int> states;
  for (const auto& [node, state] : cluster.members) {
    metrics->Gauge("pgmahout_cluster_member", "1 for each member, with its state.", 1,
                   {{"cluster", cluster.name}, {"node", node}, {"state", state}});
    ++states[state];
  }
  for (const auto& [state, count] : states) {
    metrics->Gauge("pgmahout_cluster_members", "Members in each state.", count,
                   {{"cluster", cluster.name}, {"state", state}});
  }
}

std::string MetricsText(const ControllerSnapshot& snapshot) {
  Metrics metrics;
  AddCounters(snapshot, &metrics);
  for (const ClusterSnapshot& cluster : snapshot.clusters) {
    AddCluster(cluster, &metrics);
  }
  return metrics.Text();
}

// Prometheus docs, "HTTP SD": a list of target groups.
std::string TargetsText(const ControllerSnapshot& snapshot) {
  nlohmann::ordered_json groups = nlohmann::ordered_json::array();
  for (const Target& target : snapshot.targets) {
    const bool is_ipv6 = absl::StrContains(target.address, ':');
    nlohmann::ordered_json group;
    group["targets"] = {is_ipv6 ? absl::StrCat("[", target.address, "]:", kAgentMetricsPort)
                                : absl::StrCat(target.address, ":", kAgentMetricsPort)};
    group["labels"]["node"] = target.node;
    if (!target.cluster.empty()) {
      group["labels"]["cluster"] = target.cluster;
    }
    groups.push_back(std::move(group));
  }
  return groups.dump() + "\n";
}

HttpResponse Text(int status, const std::string& text) {
  return HttpResponse{status, "text/plain; charset=utf-8", text};
}

class Endpoint : public ControllerHttp {
 public:
  explicit Endpoint(const Clock& clock) : clock_(clock) {}

  absl::Status Listen(const std::string& listen) {
    PGM_ASSIGN_OR_RETURN(server_, HttpServer::Start(listen, [this](const HttpRequest& request) {
                           return Answer(request);
                         }));
    return absl::OkStatus();
  }

  void Update(ControllerSnapshot snapshot) override {
    auto latest = std::make_shared<const ControllerSnapshot>(std::move(snapshot));
    const std::lock_guard lock(mutex_);
    snapshot_.swap(latest);
    taken_ = clock_.Now();
  }

 private:
  HttpResponse Answer(const HttpRequest& request) {
    // Shared, not copied: the loop's Update() waits for nobody who makes text of it.
    std::shared_ptr<const ControllerSnapshot> snapshot;
    BootTime taken;
    {
      const std::lock_guard lock(mutex_);
      snapshot = snapshot_;
      taken = taken_;
    }
    const bool wants_health = request.path == "/healthz";
    if (!wants_health && request.path != "/metrics" && request.path != "/targets") {
      return Text(404, "no such path\n");
    }
    if (snapshot == nullptr) {
      return Text(503, "the controller is starting\n");
    }
    if (wants_health) {
      return clock_.Now() - taken < kFresh ? Text(200, "ok\n")
                                           : Text(503, "the controller's loop does not turn\n");
    }
    return request.path == "/metrics"
               ? HttpResponse{200, kMetricsContentType, MetricsText(*snapshot)}
               : HttpResponse{200, "application/json", TargetsText(*snapshot)};
  }

  const Clock& clock_;
  std::mutex mutex_;
  std::shared_ptr<const ControllerSnapshot> snapshot_;
  BootTime taken_;
  std::unique_ptr<HttpServer> server_;  // last: it stops before what it uses is gone
};

}  // namespace

absl::StatusOr<std::unique_ptr<ControllerHttp>> ControllerHttp::Start(const std::string& listen,
                                                                      const Clock& clock) {
  auto endpoint = std::make_unique<Endpoint>(clock);
  PGM_RETURN_IF_ERROR(endpoint->Listen(listen));
  return std::unique_ptr<ControllerHttp>(std::move(endpoint));
}

}  // namespace pgmahout::controller
