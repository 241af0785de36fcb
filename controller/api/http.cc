// SPDX-License-Identifier: Apache-2.0
#include "controller/api/http.h"

#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/http/http_server.h"
#include "common/http/metrics.h"

namespace pgmahout::controller {
namespace {

constexpr Duration kFresh{5'000};
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
                 Number(snapshot.agents.size()));
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
  for (const auto& [node, state] : cluster.members) {
    metrics->Gauge("pgmahout_cluster_member", "1 for each member, with its state.", 1,
                   {{"cluster", cluster.name}, {"node", node}, {"state", state}});
  }
}

// Prometheus docs, "HTTP SD": a list of target groups.
std::string Targets(const ControllerSnapshot& snapshot) {
  nlohmann::ordered_json groups = nlohmann::ordered_json::array();
  for (const auto& [node, address] : snapshot.agents) {
    groups.push_back({{"targets", {absl::StrCat(address, ":9187")}}, {"labels", {{"node", node}}}});
  }
  return groups.dump() + "\n";
}

class Endpoint : public ControllerHttp {
 public:
  absl::Status Listen(const std::string& listen) {
    PGM_ASSIGN_OR_RETURN(server_, HttpServer::Start(listen, [this](const HttpRequest& request) {
                           return Answer(request);
                         }));
    return absl::OkStatus();
  }

  void Update(ControllerSnapshot snapshot) override {
    const std::lock_guard lock(mutex_);
    snapshot_ = std::move(snapshot);
    taken_ = SystemClock().Now();
  }

 private:
  HttpResponse Answer(const HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    const bool fresh = snapshot_.has_value() && SystemClock().Now() - taken_ < kFresh;
    if (request.path == "/healthz") {
      return fresh ? HttpResponse{200, "text/plain; charset=utf-8", "ok\n"}
                   : HttpResponse{503, "text/plain; charset=utf-8", "the loop does not turn\n"};
    }
    if (!snapshot_.has_value()) {
      return HttpResponse{503, "text/plain; charset=utf-8", "starting\n"};
    }
    if (request.path == "/metrics") {
      Metrics metrics;
      AddCounters(*snapshot_, &metrics);
      for (const ClusterSnapshot& cluster : snapshot_->clusters) {
        AddCluster(cluster, &metrics);
      }
      return HttpResponse{200, kMetricsContentType, metrics.Text()};
    }
    if (request.path == "/targets") {
      return HttpResponse{200, "application/json", Targets(*snapshot_)};
    }
    return HttpResponse{404, "text/plain; charset=utf-8", "no such path\n"};
  }

  std::mutex mutex_;
  std::optional<ControllerSnapshot> snapshot_;
  BootTime taken_;
  std::unique_ptr<HttpServer> server_;  // last: it stops before what it uses is gone
};

}  // namespace

absl::StatusOr<std::unique_ptr<ControllerHttp>> ControllerHttp::Start(const std::string& listen) {
  auto endpoint = std::make_unique<Endpoint>();
  if (const absl::Status status = endpoint->Listen(listen); !status.ok()) {
    return status;
  }
  return std::unique_ptr<ControllerHttp>(std::move(endpoint));
}

}  // namespace pgmahout::controller
