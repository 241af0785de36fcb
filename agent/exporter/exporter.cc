// SPDX-License-Identifier: Apache-2.0
#include "agent/exporter/exporter.h"

#include <mutex>
#include <optional>
#include <utility>

#include "agent/exporter/agent_metrics.h"
#include "agent/exporter/health.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/http/http_server.h"

namespace pgmahout::agent {
namespace {

class HttpExporter : public Exporter {
 public:
  explicit HttpExporter(ExporterConfig config) : config_(std::move(config)) {}

  absl::Status Listen() {
    if (!config_.metrics_listen.empty()) {
      PGM_ASSIGN_OR_RETURN(metrics_server_,
                           HttpServer::Start(config_.metrics_listen, [this](const auto& request) {
                             return Answer(request);
                           }));
    }
    if (!config_.health_listen.empty() && config_.health_listen != config_.metrics_listen) {
      PGM_ASSIGN_OR_RETURN(health_server_,
                           HttpServer::Start(config_.health_listen, [this](const auto& request) {
                             return Answer(request);
                           }));
    }
    return absl::OkStatus();
  }

  void Update(Snapshot snapshot) override {
    const std::lock_guard lock(mutex_);
    snapshot_ = std::move(snapshot);
    taken_ = SystemClock().Now();
  }

 private:
  HttpResponse Answer(const HttpRequest& request) {
    std::optional<Snapshot> snapshot;
    BootTime taken;
    {
      const std::lock_guard lock(mutex_);
      snapshot = snapshot_;
      taken = taken_;
    }
    const BootTime now = SystemClock().Now();
    if (request.path != "/metrics") {
      return AnswerHealth(config_.node, request, snapshot, taken, now);
    }
    if (!snapshot.has_value()) {
      return HttpResponse{503, "text/plain; charset=utf-8", "nothing was observed yet\n"};
    }
    return HttpResponse{200, kMetricsContentType,
                        MetricsOf(config_.node, *snapshot, taken, now).Text()};
  }

  const ExporterConfig config_;
  std::mutex mutex_;
  std::optional<Snapshot> snapshot_;
  BootTime taken_;
  // Last: they stop before what they use is gone.
  std::unique_ptr<HttpServer> metrics_server_;
  std::unique_ptr<HttpServer> health_server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Exporter>> StartExporter(const ExporterConfig& config) {
  auto exporter = std::make_unique<HttpExporter>(config);
  PGM_RETURN_IF_ERROR(exporter->Listen());
  return std::unique_ptr<Exporter>(std::move(exporter));
}

}  // namespace pgmahout::agent
