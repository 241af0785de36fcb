// SPDX-License-Identifier: Apache-2.0
#include "agent/exporter/health.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/version.h"

namespace pgmahout::agent {
namespace {

using Json = nlohmann::ordered_json;

// That long after the last streaming the WAL received still counts as the upstream's position.
// Patroni's own view of the leader is up to its loop_wait of 10 s old.
constexpr Duration kUpstreamKnown{10'000};
constexpr uint64_t kReadyLag = 1 << 20;  // Patroni's maximum_lag_on_failover

// What a path is asked about.
struct Question {
  const std::string& node;
  const Snapshot& snapshot;
  const std::string& query;
  std::optional<uint64_t> lag;  // bytes allowed; nothing: any
  BootTime now;

  const Report& report() const { return snapshot.report; }
};

bool Runs(const Question& q) {
  return q.report().server == ServerState::kRunning;
}

// Writable at the epoch this node obeys, with a lease of that epoch that is not over.
bool IsPrimary(const Question& q) {
  const Report& report = q.report();
  const std::optional<Lease>& lease = q.snapshot.lease;
  return Runs(q) && report.role == ServerRole::kPrimary && report.writable_epoch != 0 &&
         report.writable_epoch == report.epoch && lease.has_value() &&
         lease->epoch == report.epoch && q.now < lease->deadline;
}

// Received, but not replayed. Nothing while the upstream may be far ahead of what was received:
// long after the last streaming, and before the first since the server's start (receive_lsn is 0/0
// then).
std::optional<uint64_t> ReplayLag(const Question& q) {
  const std::optional<BootTime>& since = q.snapshot.observation.not_streaming_since;
  const bool known =
      q.report().receiver_streaming || (since.has_value() && q.now - *since < kUpstreamKnown);
  if (!known || !q.report().receive_lsn.valid()) {
    return std::nullopt;
  }
  return BytesBetween(q.report().replay_lsn, q.report().receive_lsn);
}

bool LagIsWithin(const Question& q, uint64_t limit) {
  const std::optional<uint64_t> lag = ReplayLag(q);
  return lag.has_value() && *lag <= limit;
}

// Patroni compares "tag_..." with the node's tags. Nodes have none here.
bool AsksForTags(const Question& q) {
  const std::vector<std::string> parameters = absl::StrSplit(q.query, '&');
  return std::any_of(parameters.begin(), parameters.end(), [](const std::string& parameter) {
    return absl::StartsWith(parameter, "tag_");
  });
}

bool ReplicationStateMatches(const Question& q) {
  const std::string wanted = QueryValue(q.query, "replication_state");
  return wanted.empty() || (wanted == "streaming") == q.report().receiver_streaming;
}

// Answers reads, as fresh as the caller asks. Whether it streams does not matter by itself: during
// a failover no standby does, and reads should go on.
bool IsReplica(const Question& q) {
  return Runs(q) && q.report().role == ServerRole::kStandby && !AsksForTags(q) &&
         ReplicationStateMatches(q) && (!q.lag.has_value() || LagIsWithin(q, *q.lag));
}

// Named in synchronous_standby_names, which standbys are configured with too.
bool IsNamedSynchronous(const Question& q) {
  if (!q.snapshot.observation.sql.has_value()) {
    return false;
  }
  absl::string_view list = q.snapshot.observation.sql->synchronous_standby_names;
  const size_t open = list.find('(');
  if (open == absl::string_view::npos) {
    return false;
  }
  list = list.substr(open + 1, list.rfind(')') - open - 1);
  const std::vector<absl::string_view> names = absl::StrSplit(list, ',');
  return std::any_of(names.begin(), names.end(), [&q](absl::string_view name) {
    name = absl::StripAsciiWhitespace(name);
    absl::ConsumePrefix(&name, "\"");
    absl::ConsumeSuffix(&name, "\"");
    return name == q.node;
  });
}

bool IsSynchronous(const Question& q) {
  return IsReplica(q) && IsNamedSynchronous(q);
}

bool IsAsynchronous(const Question& q) {
  return IsReplica(q) && !IsNamedSynchronous(q);
}

bool IsReadable(const Question& q) {
  return IsPrimary(q) || IsReplica(q);
}

bool IsReadableSynchronous(const Question& q) {
  return IsPrimary(q) || IsSynchronous(q);
}

// A standby is ready once it has caught up.
bool IsReady(const Question& q) {
  if (IsPrimary(q)) {
    return true;
  }
  return IsReplica(q) && q.report().receiver_streaming &&
         (QueryValue(q.query, "mode") == "write" || LagIsWithin(q, q.lag.value_or(kReadyLag)));
}

bool Always(const Question& /*q*/) {
  return true;
}

bool Never(const Question& /*q*/) {
  return false;
}

struct Path {
  absl::string_view name;
  bool (*holds)(const Question&);
};

constexpr std::array kPaths = {
    Path{"/", IsPrimary},
    Path{"/primary", IsPrimary},
    Path{"/master", IsPrimary},
    Path{"/leader", IsPrimary},
    Path{"/read-write", IsPrimary},
    Path{"/standby-leader", Never},
    Path{"/standby_leader", Never},
    Path{"/replica", IsReplica},
    Path{"/standby", IsReplica},
    Path{"/read-only", IsReadable},
    Path{"/synchronous", IsSynchronous},
    Path{"/sync", IsSynchronous},
    Path{"/quorum", IsSynchronous},
    Path{"/read-only-sync", IsReadableSynchronous},
    Path{"/read-only-quorum", IsReadableSynchronous},
    Path{"/asynchronous", IsAsynchronous},
    Path{"/async", IsAsynchronous},
    Path{"/health", Runs},
    Path{"/readiness", IsReady},
    Path{"/liveness", Always},  // while snapshots come
};

constexpr absl::string_view kStatusPath = "/patroni";  // 200 whatever it tells

absl::string_view NameOf(ServerState server) {
  switch (server) {
    case ServerState::kAbsent:
    case ServerState::kStopped:
      return "stopped";
    case ServerState::kStarting:
      return "starting";
    case ServerState::kRunning:
      return "running";
    case ServerState::kStopping:
      return "stopping";
    case ServerState::kHung:
      return "hung";
  }
  return "unknown";
}

absl::string_view NameOf(ServerRole role) {
  switch (role) {
    case ServerRole::kPrimary:
      return "primary";
    case ServerRole::kStandby:
      return "replica";
    case ServerRole::kUnknown:
      break;
  }
  return "uninitialized";
}

// 140023 for "14.23", as server_version_num.
int VersionNumber(const std::string& version) {
  const std::vector<std::string> parts = absl::StrSplit(version, '.');
  int major = 0;
  int minor = 0;
  if (!absl::SimpleAtoi(parts[0], &major)) {
    return 0;
  }
  if (parts.size() > 1 && !absl::SimpleAtoi(parts[1], &minor)) {
    minor = 0;
  }
  return major * 10'000 + minor;
}

void AddWal(const Report& report, Json* body) {
  if (report.role == ServerRole::kPrimary) {
    (*body)["xlog"] = Json{{"location", report.write_lsn.value}};
    return;
  }
  (*body)["xlog"] = Json{{"received_location", report.receive_lsn.value},
                         {"replayed_location", report.replay_lsn.value},
                         {"paused", report.replay_paused}};
  if (report.receiver_streaming) {
    (*body)["replication_state"] = "streaming";
  }
}

void AddStandbys(const Report& report, Json* body) {
  for (const Attached& standby : report.attached) {
    (*body)["replication"].push_back(Json{{"application_name", standby.node},
                                          {"state", standby.streaming ? "streaming" : "catchup"},
                                          {"sync_state", standby.sync_state}});
  }
}

// `report` may be nullptr: nothing is known.
std::string Body(const std::string& node, const Report* report) {
  Json body;
  if (report == nullptr) {
    body["state"] = "unknown";
    body["role"] = "uninitialized";
  } else {
    body["state"] = std::string(NameOf(report->server));
    body["role"] = std::string(NameOf(report->role));
    if (report->server == ServerState::kRunning) {
      body["server_version"] = VersionNumber(report->server_version);
      AddWal(*report, &body);
      body["timeline"] = report->timeline;
      AddStandbys(*report, &body);
    }
    if (report->system_identifier != 0) {
      body["database_system_identifier"] = absl::StrCat(report->system_identifier);
    }
    if (!report->pending_restart.empty()) {
      body["pending_restart"] = true;
    }
  }
  body["patroni"] = Json{{"version", std::string(kVersion)},
                         {"scope", report == nullptr ? "" : report->cluster},
                         {"name", node}};
  // A byte that is not UTF-8 must not turn an answer into an exception.
  return body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

HttpResponse Text(int status, const std::string& text) {
  return HttpResponse{status, "text/plain; charset=utf-8", text};
}

}  // namespace

std::optional<uint64_t> ParseLag(const std::string& text) {
  const std::string upper = absl::AsciiStrToUpper(text);
  absl::string_view number = upper;
  uint64_t unit = 1;
  constexpr std::pair<const char*, int> kUnits[] = {
      {"TB", 40}, {"GB", 30}, {"MB", 20}, {"KB", 10}, {"B", 0}};
  for (const auto& [suffix, bits] : kUnits) {
    if (absl::ConsumeSuffix(&number, suffix)) {
      unit = uint64_t{1} << bits;
      break;
    }
  }
  number = absl::StripTrailingAsciiWhitespace(number);
  uint64_t value = 0;
  if (number.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(number[0])) ||
      !absl::SimpleAtoi(number, &value)) {
    return std::nullopt;
  }
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  return value > kMost / unit ? kMost : value * unit;
}

HttpResponse AnswerHealth(const std::string& node,
                          const HttpRequest& request,
                          const std::optional<Snapshot>& snapshot,
                          BootTime taken,
                          BootTime now) {
  const auto path = std::find_if(kPaths.begin(), kPaths.end(),
                                 [&](const Path& one) { return one.name == request.path; });
  if (path == kPaths.end() && request.path != kStatusPath) {
    return Text(404, "no such path\n");
  }
  const std::string lag_text = QueryValue(request.query, "lag");
  const std::optional<uint64_t> lag = ParseLag(lag_text);
  if (!lag_text.empty() && !lag.has_value()) {
    return Text(400, "cannot read lag: write bytes, or a number with kB, MB, GB or TB\n");
  }
  const bool fresh = snapshot.has_value() && now - taken < kSnapshotLifetime;
  const std::string body = Body(node, fresh ? &snapshot->report : nullptr);
  const bool holds = path == kPaths.end() ||
                     (fresh && path->holds(Question{node, *snapshot, request.query, lag, now}));
  return HttpResponse{holds ? 200 : 503, "application/json", body};
}

}  // namespace pgmahout::agent
