// SPDX-License-Identifier: Apache-2.0
#include "agent/exporter/health.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace pgmahout::agent {
namespace {

using Json = nlohmann::ordered_json;

constexpr Duration kFresh{5'000};

bool Runs(const Snapshot& snapshot) {
  return snapshot.report.server == ServerState::kRunning;
}

// Writable at the epoch this node obeys, with a lease that is not over.
bool IsPrimary(const Snapshot& snapshot, BootTime now) {
  const Report& report = snapshot.report;
  return Runs(snapshot) && report.role == ServerRole::kPrimary && report.writable_epoch != 0 &&
         report.writable_epoch == report.epoch && snapshot.lease.has_value() &&
         now < snapshot.lease->deadline;
}

// Streams, and has not more WAL left to replay than the caller allows.
bool IsReplica(const Snapshot& snapshot, const HttpRequest& request) {
  const Report& report = snapshot.report;
  if (!Runs(snapshot) || report.role != ServerRole::kStandby || !report.receiver_streaming) {
    return false;
  }
  const std::optional<uint64_t> allowed = ParseLag(QueryValue(request.query, "lag"));
  return !allowed.has_value() || BytesBetween(report.replay_lsn, report.receive_lsn) <= *allowed;
}

bool Holds(const std::string& path,
           const Snapshot& snapshot,
           const HttpRequest& request,
           BootTime now) {
  if (path == "/" || path == "/primary" || path == "/master" || path == "/leader" ||
      path == "/read-write") {
    return IsPrimary(snapshot, now);
  }
  if (path == "/replica" || path == "/standby") {
    return IsReplica(snapshot, request);
  }
  if (path == "/read-only") {
    return IsPrimary(snapshot, now) || IsReplica(snapshot, request);
  }
  return Runs(snapshot);  // /health, /readiness
}

bool IsKnown(const std::string& path) {
  for (const char* known : {"/", "/primary", "/master", "/leader", "/read-write", "/replica",
                            "/standby", "/read-only", "/health", "/readiness", "/liveness"}) {
    if (path == known) {
      return true;
    }
  }
  return false;
}

std::string Body(const std::string& node, const std::optional<Snapshot>& snapshot) {
  Json body;
  body["state"] = snapshot.has_value() && Runs(*snapshot) ? "running" : "stopped";
  body["role"] = "uninitialized";
  if (snapshot.has_value()) {
    const Report& report = snapshot->report;
    const bool primary = report.role == ServerRole::kPrimary;
    if (report.role != ServerRole::kUnknown) {
      body["role"] = primary ? "primary" : "replica";
    }
    body["server_version"] = report.server_version;
    body["timeline"] = report.timeline;
    if (primary) {
      body["xlog"] = Json{{"location", report.write_lsn.value}};
    } else {
      body["xlog"] = Json{{"received_location", report.receive_lsn.value},
                          {"replayed_location", report.replay_lsn.value}};
    }
    body["patroni"] =
        Json{{"version", report.agent_version}, {"scope", report.cluster}, {"name", node}};
  }
  return body.dump() + "\n";
}

}  // namespace

std::optional<uint64_t> ParseLag(const std::string& text) {
  absl::string_view number = text;
  uint64_t unit = 1;
  constexpr std::pair<const char*, uint64_t> kUnits[] = {
      {"GB", uint64_t{1} << 30}, {"MB", uint64_t{1} << 20}, {"kB", uint64_t{1} << 10}, {"B", 1}};
  for (const auto& [suffix, bytes] : kUnits) {
    if (absl::ConsumeSuffix(&number, suffix)) {
      unit = bytes;
      break;
    }
  }
  uint64_t value = 0;
  return absl::SimpleAtoi(number, &value) ? std::optional<uint64_t>(value * unit) : std::nullopt;
}

HttpResponse AnswerHealth(const std::string& node,
                          const HttpRequest& request,
                          const std::optional<Snapshot>& snapshot,
                          BootTime taken,
                          BootTime now) {
  if (!IsKnown(request.path)) {
    return HttpResponse{404, "text/plain; charset=utf-8", "no such path\n"};
  }
  const bool fresh = snapshot.has_value() && now - taken < kFresh;
  const bool holds =
      fresh && (request.path == "/liveness" || Holds(request.path, *snapshot, request, now));
  return HttpResponse{holds ? 200 : 503, "application/json", Body(node, snapshot)};
}

}  // namespace pgmahout::agent
