// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/show.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/wire/convert.h"
#include "controller/cli/table.h"

namespace pgmahout::cli {
namespace {

constexpr Duration kElectionTime{1'000};  // votes, promotion and re-pointing, roughly

const v1::MemberStatus* PrimaryOf(const v1::ClusterStatus& status) {
  for (const v1::MemberStatus& member : status.members()) {
    if (!status.primary().empty() && member.node() == status.primary()) {
      return &member;
    }
  }
  return nullptr;
}

std::string FormatBytes(int64_t bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 10'240 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.0f%s", value, kUnits[unit]);
}

std::string FormatLag(const v1::MemberStatus& member) {
  return absl::StrFormat("%s/%.*fs", FormatBytes(member.lag_bytes()),
                         member.lag_seconds() > 0 && member.lag_seconds() < 10 ? 1 : 0,
                         member.lag_seconds());
}

std::vector<std::string> NodesWhere(const v1::ClusterStatus& status,
                                    bool (*is_wanted)(const v1::MemberStatus&)) {
  std::vector<std::string> nodes;
  for (const v1::MemberStatus& member : status.members()) {
    if (member.role() == "standby" && is_wanted(member)) {
      nodes.push_back(member.node());
    }
  }
  return nodes;
}

bool IsStreaming(const v1::MemberStatus& member) {
  return member.state() == "streaming";
}

bool IsSynchronous(const v1::MemberStatus& member) {
  return !member.sync().empty() && member.sync() != "async";
}

bool IsEligible(const v1::MemberStatus& member) {
  return member.eligible();
}

std::string WithPort(absl::string_view name, uint32_t port) {
  return absl::StrCat(absl::StripSuffix(name, "."), ":", port);
}

std::string ServerLine(const v1::ClusterStatus& status) {
  const v1::MemberStatus* const primary = PrimaryOf(status);
  std::vector<std::string> parts;
  if (primary != nullptr && !primary->postgres_version().empty()) {
    parts.push_back(primary->postgres_version());
  }
  if (!status.system_identifier().empty() && status.system_identifier() != "0") {
    parts.push_back(absl::StrCat("system-id ", status.system_identifier()));
  }
  parts.push_back(absl::StrCat("timeline ", status.timeline()));
  parts.push_back(absl::StrCat("epoch ", status.epoch()));
  return absl::StrJoin(parts, "   ");
}

std::string DnsNote(const v1::ClusterStatus& status, const ClusterSpec* spec) {
  std::string note = "DNS in sync";
  if (!status.dns().in_sync()) {
    note = status.dns().addresses().empty()
               ? "DNS not in sync"
               : absl::StrCat("DNS not in sync, answers ",
                              absl::StrJoin(status.dns().addresses(), ", "));
  }
  return spec == nullptr ? note : absl::StrCat(note, ", TTL ", spec->dns.ttl_seconds, "s");
}

std::string EndpointLine(const v1::ClusterStatus& status, const ClusterSpec* spec) {
  const v1::MemberStatus* const primary = PrimaryOf(status);
  const uint32_t port =
      primary != nullptr ? primary->port() : (spec != nullptr ? spec->port : 5432);
  const std::string target = status.primary().empty() ? "no primary" : status.primary();
  std::string line;
  if (!status.dns().primary().empty()) {
    line = absl::StrCat("rw ", WithPort(status.dns().primary(), port), " -> ", target, " (",
                        DnsNote(status, spec), ")");
  } else if (primary != nullptr) {
    line =
        absl::StrCat("rw ", WithPort(primary->address(), port), " -> ", target, " (no DNS name)");
  } else {
    line = absl::StrCat("rw ", target);
  }
  const std::vector<std::string> standbys = NodesWhere(status, IsStreaming);
  if (spec != nullptr && !spec->dns.standbys.empty()) {
    absl::StrAppend(&line, "   ro ", WithPort(spec->dns.standbys, port), " -> ",
                    standbys.empty() ? "no standby" : absl::StrJoin(standbys, ", "));
  }
  return line;
}

std::string SynchronousText(const v1::ClusterStatus& status, const ClusterSpec& spec) {
  if (spec.synchronous.durability == DataDurability::kOff || spec.synchronous.number == 0) {
    return "asynchronous";
  }
  const std::vector<std::string> standbys = NodesWhere(status, IsSynchronous);
  const std::string word =
      spec.synchronous.durability == DataDurability::kRequired ? "required" : "preferred";
  return standbys.empty()
             ? absl::StrCat("any ", spec.synchronous.number, " (none streams now), ", word)
             : absl::StrCat("any ", spec.synchronous.number, " (", absl::StrJoin(standbys, ", "),
                            "), ", word);
}

// What a failure of the primary would cost now, or nothing while there is none to lose.
std::string ForecastText(const v1::ClusterStatus& status, const ClusterSpec& spec) {
  if (status.primary().empty() || spec.nodes.size() < 2) {
    return "";
  }
  const std::string prefix = absl::StrCat("if ", status.primary(), " fails now: ");
  if (status.paused()) {
    return prefix + "waits for `pgmahout cluster resume " + status.name() + "`";
  }
  if (NodesWhere(status, IsEligible).empty()) {
    return prefix + "no standby can be promoted";
  }
  if (!spec.failover.automatic) {
    return prefix + "waits for `pgmahout cluster failover " + status.name() + "`";
  }
  if (!NodesWhere(status, [](const v1::MemberStatus& m) {
         return IsEligible(m) && IsSynchronous(m);
       }).empty()) {
    const Duration outage = spec.failover.detect_after + kElectionTime;
    return absl::StrFormat("%s0 bytes lost, about %d s", prefix, (outage.count() + 999) / 1000);
  }
  int64_t lag = std::numeric_limits<int64_t>::max();
  for (const v1::MemberStatus& member : status.members()) {
    if (member.role() == "standby" && member.eligible()) {
      lag = std::min(lag, member.lag_bytes());
    }
  }
  // Nobody may be promoted before the old primary's lease is over.
  const Duration outage =
      std::max(spec.failover.detect_after, spec.failover.lease_ttl) + kElectionTime;
  return absl::StrFormat("%sabout %s lost, about %d s", prefix, FormatBytes(lag),
                         (outage.count() + 999) / 1000);
}

std::string ReplicationLine(const v1::ClusterStatus& status, const ClusterSpec& spec) {
  std::string line = absl::StrCat(SynchronousText(status, spec), "    failover ",
                                  spec.failover.automatic ? "automatic" : "manual");
  const std::string forecast = ForecastText(status, spec);
  return forecast.empty() ? line : absl::StrCat(line, "    ", forecast);
}

std::vector<std::string> MemberRow(const v1::MemberStatus& member, bool is_wide) {
  const bool is_standby = member.role() == "standby";
  std::vector<std::string> row = {member.node(),
                                  member.role() == "none" ? "" : member.role(),
                                  member.state(),
                                  member.timeline() == 0 ? "" : absl::StrCat(member.timeline()),
                                  member.replay_lsn() == "0/0" ? "" : member.replay_lsn(),
                                  is_standby ? FormatLag(member) : "",
                                  is_standby ? member.sync() : "",
                                  is_standby ? (member.eligible() ? "yes" : "no") : "",
                                  member.postgres_version(),
                                  member.agent_connected() ? member.agent_version() : "(away)"};
  if (is_wide) {
    row.push_back(member.port() == 0 ? member.address()
                                     : WithPort(member.address(), member.port()));
    row.push_back(member.receive_lsn() == "0/0" ? "" : member.receive_lsn());
  }
  return row;
}

std::string MemberTable(const v1::ClusterStatus& status, bool is_wide) {
  std::vector<std::string> columns = {"NODE", "ROLE", "STATE",    ">TL", "REPLAY LSN",
                                      "LAG",  "SYNC", "ELIGIBLE", "PG",  "AGENT"};
  if (is_wide) {
    columns.insert(columns.end(), {"ADDRESS", "RECEIVE LSN"});
  }
  std::vector<const v1::MemberStatus*> members;
  for (const v1::MemberStatus& member : status.members()) {
    members.push_back(&member);
  }
  std::stable_partition(members.begin(), members.end(),
                        [](const v1::MemberStatus* m) { return m->role() == "primary"; });
  Table table(std::move(columns));
  for (const v1::MemberStatus* const member : members) {
    table.AddRow(MemberRow(*member, is_wide));
  }
  return table.Render("  ");
}

std::string EligibleNotes(const v1::ClusterStatus& status) {
  std::string notes;
  for (const v1::MemberStatus& member : status.members()) {
    if (member.role() == "standby" && !member.eligible() && !member.eligible_reason().empty()) {
      absl::StrAppend(&notes, "  ", member.node(),
                      " would not be promoted: ", member.eligible_reason(), "\n");
    }
  }
  return notes;
}

}  // namespace

std::string RenderCluster(const v1::ClusterStatus& status, const v1::Cluster* spec, bool is_wide) {
  std::optional<ClusterSpec> model;
  if (spec != nullptr) {
    // A spec that only a newer CLI or controller understands leaves its lines out.
    if (auto converted = ToModel(*spec, nullptr); converted.ok()) {
      model = *std::move(converted);
    }
  }
  const ClusterSpec* const known = model.has_value() ? &*model : nullptr;
  const std::string title = absl::StrCat(status.name(), "  (tenant ", status.tenant(), ")");
  std::string text = absl::StrFormat("%-54s%s\n", title, absl::AsciiStrToUpper(status.phase()));
  if (!status.phase_reason().empty()) {
    absl::StrAppend(&text, "  Reason      ", status.phase_reason(), "\n");
  }
  absl::StrAppend(&text, "  PostgreSQL  ", ServerLine(status), "\n");
  absl::StrAppend(&text, "  Endpoints   ", EndpointLine(status, known), "\n");
  if (known != nullptr) {
    absl::StrAppend(&text, "  Replication ", ReplicationLine(status, *known), "\n");
  }
  absl::StrAppend(&text, "\n", MemberTable(status, is_wide));
  const std::string notes = EligibleNotes(status);
  return notes.empty() ? text : absl::StrCat(text, "\n", notes);
}

std::string DescribePhase(const v1::ClusterStatus& status) {
  std::string text = absl::StrCat(status.name(), ": ", status.phase());
  absl::StrAppend(&text, status.primary().empty() ? ", no primary"
                                                  : absl::StrCat(", primary ", status.primary()));
  absl::StrAppend(&text, ", epoch ", status.epoch());
  return status.phase_reason().empty() ? text
                                       : absl::StrCat(text, " (", status.phase_reason(), ")");
}

}  // namespace pgmahout::cli
