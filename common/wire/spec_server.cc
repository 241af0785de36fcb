// SPDX-License-Identifier: Apache-2.0
// The sections of a spec that say how the servers run: postgresql, synchronous, failover.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/wire/parameters.h"
#include "common/wire/spec_parts.h"
#include "common/wire/units.h"

namespace pgmahout {
namespace {

constexpr uint32_t kMajorMin = 14;
constexpr uint32_t kMajorMax = 17;
constexpr Duration kDetectAfterMin{500};
constexpr Duration kDetectAfterMax{60'000};
constexpr uint32_t kPriorityMax = 1000;
constexpr double kSuperuserReservedDefault = 3;

// The lease's inequality, L - mu >= 3H + 2R: two lost heartbeats and a slow one survive.
constexpr Duration kHeartbeat{1'000};     // H
constexpr Duration kCallDeadline{1'000};  // R
constexpr Duration kLeaseMargin{3'000};   // mu
constexpr Duration kLeaseMin = kLeaseMargin + 3 * kHeartbeat + 2 * kCallDeadline;
constexpr Duration kLeaseMax{300'000};

std::string ParameterPath(const std::string& name) {
  return absl::StrCat("spec.postgresql.parameters.", name);
}

void CheckAtLeast(const ClusterSpec& spec,
                  const std::string& name,
                  size_t least,
                  absl::string_view why,
                  Violations* violations) {
  const auto value = ParameterNumber(spec.parameters, name);
  if (value.has_value() && *value < static_cast<double>(least)) {
    violations->Add(ParameterPath(name),
                    absl::StrCat(name, " is too low for ", spec.nodes.size(), " members"),
                    absl::StrCat("Set at least ", least, " (", why, "), or leave it out."));
  }
}

// What PostgreSQL or replication would only notice once it runs.
void CheckParametersTogether(const ClusterSpec& spec, Violations* violations) {
  CheckAtLeast(spec, "max_wal_senders", spec.nodes.size() + 2, "one per member and two for clones",
               violations);
  CheckAtLeast(spec, "max_replication_slots", spec.nodes.size(), "one per member", violations);
  const auto connections = ParameterNumber(spec.parameters, "max_connections");
  const double reserved = ParameterNumber(spec.parameters, "superuser_reserved_connections")
                              .value_or(kSuperuserReservedDefault);
  if (connections.has_value() && *connections <= reserved) {
    violations->Add(ParameterPath("max_connections"),
                    "max_connections must be more than superuser_reserved_connections",
                    absl::StrCat("Set more than ", static_cast<int64_t>(reserved), "."));
  }
}

// A commit that does not wait for its WAL to be flushed by a standby is not in every later primary.
void CheckSynchronousCommit(const ClusterSpec& spec, Violations* violations) {
  const auto it = spec.parameters.find("synchronous_commit");
  if (it == spec.parameters.end() || spec.synchronous.durability == DataDurability::kOff ||
      spec.synchronous.number == 0) {
    return;
  }
  const std::string word = absl::AsciiStrToLower(it->second);
  const bool waits =
      word == "on" || word == "remote_apply" || word == "true" || word == "yes" || word == "1";
  if (!waits) {
    violations->Add(ParameterPath("synchronous_commit"),
                    absl::StrCat("synchronous_commit = ", it->second,
                                 " would lose acknowledged commits in a failover"),
                    "Use on or remote_apply here and set it lower in single sessions, or set "
                    "synchronous.dataDurability: off.");
  }
}

bool ReadDuration(const std::string& text,
                  const std::string& path,
                  Duration* duration,
                  Violations* violations) {
  if (text.empty()) {
    return true;
  }
  const auto parsed = ParseDuration(text);
  if (!parsed.has_value()) {
    violations->Add(path, absl::StrCat("invalid duration \"", text, "\""),
                    std::string(kDurationHint));
    return false;
  }
  *duration = *parsed;
  return true;
}

void ReadPriorities(const v1::Failover& proto, ClusterSpec* spec, Violations* violations) {
  for (const auto& [node, priority] : proto.priority()) {
    spec->failover.priority[node] = priority;
  }
  for (const auto& [node, priority] : spec->failover.priority) {
    const std::string path = absl::StrCat("spec.failover.priority.", node);
    if (std::find(spec->nodes.begin(), spec->nodes.end(), node) == spec->nodes.end()) {
      violations->Add(path, absl::StrCat("\"", node, "\" is not among the cluster's nodes"),
                      "Name a node of spec.placement.nodes.");
    }
    if (priority > kPriorityMax) {
      violations->Add(path, absl::StrCat("priority ", priority, " is out of range"),
                      "Allowed: 0 (never promoted) to 1000; the default is 100.");
    }
  }
}

void CheckLease(const FailoverSpec& failover, Violations* violations) {
  if (failover.lease_ttl < kLeaseMin) {
    violations->Add(
        "spec.failover.leaseTTL",
        absl::StrCat("leaseTTL ", FormatDuration(failover.lease_ttl),
                     " is too short: leaseTTL - mu >= 3H + 2R must hold, with margin mu = ",
                     FormatDuration(kLeaseMargin), ", heartbeat H = ", FormatDuration(kHeartbeat),
                     " and call deadline R = ", FormatDuration(kCallDeadline)),
        absl::StrCat("Set at least ", FormatDuration(kLeaseMin),
                     ". Failover with synchronous replication does not wait for the lease."));
  } else if (failover.lease_ttl > kLeaseMax) {
    violations->Add("spec.failover.leaseTTL",
                    absl::StrCat("leaseTTL ", FormatDuration(failover.lease_ttl), " is too long"),
                    absl::StrCat("Allowed: ", FormatDuration(kLeaseMin), " to ",
                                 FormatDuration(kLeaseMax), "."));
  }
}

// How many standbys can confirm a commit, as text for a hint.
std::string NumberHint(size_t standbys) {
  return standbys == 0
             ? "A single node has no standby: leave synchronous out, or set dataDurability: off."
             : absl::StrCat("Allowed: 1 to ", standbys,
                            " (all members but the primary); for asynchronous replication set "
                            "dataDurability: off.");
}

}  // namespace

void ReadPostgresql(const v1::Postgresql& proto, ClusterSpec* spec, Violations* violations) {
  if (proto.has_version()) {
    spec->postgres_major = proto.version();
    if (proto.version() < kMajorMin || proto.version() > kMajorMax) {
      violations->Add("spec.postgresql.version",
                      absl::StrCat("PostgreSQL version ", proto.version(), " is not supported"),
                      "Allowed: 14, 15, 16, 17.");
    }
  }
  if (proto.has_port()) {
    spec->port = static_cast<uint16_t>(proto.port());
    if (proto.port() < 1 || proto.port() > 65535) {
      violations->Add("spec.postgresql.port",
                      absl::StrCat("port ", proto.port(), " is out of range"),
                      "Allowed: 1 to 65535; below 1024 PostgreSQL would need a privilege. The "
                      "default is 5432.");
    }
  }
  spec->parameters = {proto.parameters().begin(), proto.parameters().end()};
  for (const auto& [name, value] : spec->parameters) {
    violations->AddIfError(ParameterPath(name), CheckParameter(name, value));
  }
  CheckParametersTogether(*spec, violations);
  for (int i = 0; i < proto.pg_hba_size(); ++i) {
    spec->hba.push_back(
        HbaToModel(proto.pg_hba(i), absl::StrCat("spec.postgresql.pgHba[", i, "]"), violations));
  }
}

void ReadSynchronous(const v1::Synchronous& proto, ClusterSpec* spec, Violations* violations) {
  if (!proto.method().empty()) {
    violations->CheckWord("spec.synchronous.method", proto.method(), {"any"});
  }
  SynchronousSpec& synchronous = spec->synchronous;
  const std::string durability =
      proto.data_durability().empty() ? "preferred" : proto.data_durability();
  if (violations->CheckWord("spec.synchronous.dataDurability", durability,
                            {"preferred", "required", "off"})) {
    synchronous.durability = durability == "required" ? DataDurability::kRequired
                             : durability == "off"    ? DataDurability::kOff
                                                      : DataDurability::kPreferred;
  }
  const size_t standbys = spec->nodes.empty() ? 0 : spec->nodes.size() - 1;
  // A single node without a word about replication is fine; it has nobody to wait for.
  synchronous.number = proto.has_number() ? proto.number() : (standbys == 0 ? 0 : 1);
  const bool is_off = synchronous.durability == DataDurability::kOff;
  if (!is_off && !spec->nodes.empty() &&
      (synchronous.number > standbys || (synchronous.number == 0 && standbys > 0))) {
    violations->Add(
        "spec.synchronous.number",
        absl::StrCat(synchronous.number, " of ", standbys, " standbys cannot confirm a commit"),
        NumberHint(standbys));
  } else if (synchronous.durability == DataDurability::kRequired && standbys == 0) {
    violations->Add("spec.synchronous.dataDurability",
                    "dataDurability required needs at least two nodes", NumberHint(standbys));
  }
  CheckSynchronousCommit(*spec, violations);
}

void ReadFailover(const v1::Failover& proto, ClusterSpec* spec, Violations* violations) {
  FailoverSpec& failover = spec->failover;
  const std::string mode = proto.mode().empty() ? "automatic" : proto.mode();
  violations->CheckWord("spec.failover.mode", mode, {"automatic", "manual"});
  failover.automatic = mode != "manual";
  const std::string on_crash = proto.on_crash().empty() ? "failover" : proto.on_crash();
  violations->CheckWord("spec.failover.onCrash", on_crash, {"failover", "restart"});
  failover.restart_on_crash = on_crash == "restart";
  if (ReadDuration(proto.detect_after(), "spec.failover.detectAfter", &failover.detect_after,
                   violations) &&
      (failover.detect_after < kDetectAfterMin || failover.detect_after > kDetectAfterMax)) {
    violations->Add(
        "spec.failover.detectAfter",
        absl::StrCat("detectAfter ", FormatDuration(failover.detect_after), " is out of range"),
        absl::StrCat("Allowed: ", FormatDuration(kDetectAfterMin), " to ",
                     FormatDuration(kDetectAfterMax), "."));
  }
  if (ReadDuration(proto.lease_ttl(), "spec.failover.leaseTTL", &failover.lease_ttl, violations)) {
    CheckLease(failover, violations);
  }
  if (!proto.max_lag().empty()) {
    const auto size = ParseSize(proto.max_lag());
    if (size.has_value()) {
      failover.max_lag_bytes = *size;
    } else {
      violations->Add("spec.failover.maxLag",
                      absl::StrCat("invalid size \"", proto.max_lag(), "\""),
                      std::string(kSizeHint));
    }
  }
  ReadPriorities(proto, spec, violations);
}

}  // namespace pgmahout
