// SPDX-License-Identifier: Apache-2.0
// Why a server cannot be adopted as it runs. Each reason says what a person can do.
#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agent/core/adopt.h"
#include "agent/core/rules.h"

namespace pgmahout::agent {
namespace {

using Reasons = std::vector<std::string>;

std::string ValueOf(const ExistingServer& server, const std::string& name) {
  const auto found = server.settings.find(name);
  return found == server.settings.end() ? std::string() : found->second.value;
}

uint64_t NumberOf(const ExistingServer& server, const std::string& name) {
  uint64_t number = 0;
  return absl::SimpleAtoi(ValueOf(server, name), &number) ? number : 0;
}

// Nothing else can be said of a server that is not there or does not answer.
std::string WhyUnknown(const ExistingServer& server, AdoptionPart part) {
  if (server.data_directory.empty()) {
    return part == AdoptionPart::kCopy
               ? ""
               : absl::StrCat("no PostgreSQL server was found; looked in ", server.place);
  }
  if (!server.runs) {
    return absl::StrCat("the server in ", server.data_directory,
                        " does not run; start it, or move its data away");
  }
  return server.trouble.empty()
             ? ""
             : absl::StrCat("the server in ", server.data_directory,
                            " cannot be asked as user "
                            "postgres over its socket: ",
                            server.trouble,
                            "; pg_hba.conf needs the rule: local all postgres peer");
}

void CheckWhatItIs(const World& world, AdoptionPart part, Reasons* reasons) {
  const ExistingServer& server = *world.observation.existing;
  const ClusterSpec& spec = world.desired->spec;
  if (part == AdoptionPart::kPrimary && server.in_recovery) {
    reasons->push_back("the server is a standby; name the primary with --primary");
  }
  if (part == AdoptionPart::kStandby && !server.in_recovery) {
    reasons->push_back("a primary of its own runs here; it is left untouched");
  }
  const uint64_t wanted = world.desired->system_identifier;
  if (wanted != 0 && server.system_identifier != wanted) {
    reasons->push_back(absl::StrCat("its data have system identifier ", server.system_identifier,
                                    ", the cluster has ", wanted, "; they are left untouched"));
  }
  if (server.major != spec.postgres_major) {
    reasons->push_back(absl::StrCat("it is PostgreSQL ", server.major,
                                    "; write spec.postgresql.version: ", server.major));
  }
  if (NumberOf(server, "port") != spec.port) {
    reasons->push_back(absl::StrCat("it listens on port ", ValueOf(server, "port"),
                                    "; write spec.postgresql.port: ", ValueOf(server, "port")));
  }
  for (const std::string& file : server.foreign_files) {
    reasons->push_back(
        absl::StrCat("it reads ", file, ", which is not where this agent keeps configuration"));
  }
}

std::string Fix(absl::string_view name, absl::string_view value) {
  return absl::StrCat("ALTER SYSTEM SET ", name, " = '", value, "', then restart it");
}

void CheckReplication(const World& world, Reasons* reasons) {
  const ExistingServer& server = *world.observation.existing;
  const size_t members = world.desired->members.size();
  if (ValueOf(server, "wal_level") == "minimal") {
    reasons->push_back(absl::StrCat("wal_level is minimal, so that nobody can follow it; ",
                                    Fix("wal_level", "replica")));
  }
  if (NumberOf(server, "max_wal_senders") < members) {
    reasons->push_back(absl::StrCat("max_wal_senders is ", NumberOf(server, "max_wal_senders"),
                                    ", too few for ", members, " members; ",
                                    Fix("max_wal_senders", "10")));
  }
  // Ours of an earlier adoption are used again.
  const auto others =
      std::count_if(server.physical_slots.begin(), server.physical_slots.end(),
                    [](const std::string& slot) { return !absl::StartsWith(slot, "pgmahout_"); });
  const size_t slots = static_cast<size_t>(others) + members - 1;
  if (NumberOf(server, "max_replication_slots") < slots) {
    reasons->push_back(absl::StrCat(
        "max_replication_slots is ", NumberOf(server, "max_replication_slots"), ", but ", slots,
        " are needed; ", Fix("max_replication_slots", absl::StrCat(std::max<size_t>(10, slots)))));
  }
  if (!server.logical_slots.empty()) {
    reasons->push_back(absl::StrCat(
        "it has logical replication slots, which would not survive a "
        "failover: ",
        absl::StrJoin(server.logical_slots, ", "), "; end their subscriptions and drop them"));
  }
}

bool IsLoopback(absl::string_view address) {
  return absl::StartsWith(address, "127.") || address == "::1";
}

// Whether others can connect to `address` now.
bool ListensOn(const ExistingServer& server, absl::string_view address) {
  const bool is_v6 = absl::StrContains(address, ':');
  for (const auto& part : absl::StrSplit(ValueOf(server, "listen_addresses"), ',')) {
    const absl::string_view listens = absl::StripAsciiWhitespace(part);
    if (listens == "*" || listens == address || listens == (is_v6 ? "::" : "0.0.0.0") ||
        (listens == "localhost" && IsLoopback(address))) {
      return true;
    }
  }
  return false;
}

// A standby with less of one of these than its primary does not start (PostgreSQL docs, "Hot
// Standby", "Administrator's Overview"). With PostgreSQL's default, for where nobody sets it.
constexpr std::array<std::pair<absl::string_view, uint64_t>, 5> kAtLeastAsOnPrimary = {{
    {"max_connections", 100},
    {"max_worker_processes", 8},
    {"max_wal_senders", 10},
    {"max_prepared_transactions", 0},
    {"max_locks_per_transaction", 64},
}};

void CheckStandbysWillStart(const ExistingServer& server,
                            const std::map<std::string, std::string>& settings,
                            Reasons* reasons) {
  for (const auto& [name, usual] : kAtLeastAsOnPrimary) {
    const auto wanted = settings.find(std::string(name));
    uint64_t number = usual;
    if (wanted != settings.end() && !absl::SimpleAtoi(wanted->second, &number)) {
      continue;  // PostgreSQL itself will refuse it
    }
    if (const uint64_t present = NumberOf(server, std::string(name)); number < present) {
      reasons->push_back(absl::StrCat(name, " is ", present, " here, and standbys with ", number,
                                      " would not start; write spec.postgresql.parameters: ", name,
                                      ": ", present));
    }
  }
}

void CheckSettings(const World& world,
                   const std::map<std::string, std::string>& settings,
                   Reasons* reasons) {
  const ExistingServer& server = *world.observation.existing;
  if (world.desired->members.size() > 1 && !ListensOn(server, world.context.address)) {
    reasons->push_back(absl::StrCat("listen_addresses is '", ValueOf(server, "listen_addresses"),
                                    "', so that the others do not reach it at ",
                                    world.context.address, "; ", Fix("listen_addresses", "*")));
  }
  if (const std::string mode = ValueOf(server, "archive_mode");
      (mode == "on" || mode == "always") && world.desired->spec.archive_directory.empty()) {
    reasons->push_back(
        "it archives its WAL, and the spec has no archive, so that WAL would pile "
        "up; write spec.archive, or turn archive_mode off and restart it");
  }
  for (const auto& [name, value] : settings) {
    const auto present = server.settings.find(name);
    if (present != server.settings.end() && present->second.fixed &&
        !present->second.needs_restart && !SameValue(present->second.value, value)) {
      reasons->push_back(absl::StrCat(name,
                                      " is set on the server's command line, which no file "
                                      "can override"));
    }
  }
}

}  // namespace

std::vector<std::string> RefusalsOf(const World& world,
                                    AdoptionPart part,
                                    const std::map<std::string, std::string>& settings) {
  const ExistingServer& server = *world.observation.existing;
  Reasons reasons;
  if (std::string why = WhyUnknown(server, part); !why.empty()) {
    reasons.push_back(std::move(why));
  }
  if (!reasons.empty() || part == AdoptionPart::kCopy) {
    return reasons;
  }
  CheckWhatItIs(world, part, &reasons);
  CheckReplication(world, &reasons);
  if (part == AdoptionPart::kPrimary) {
    CheckStandbysWillStart(server, settings, &reasons);
  }
  CheckSettings(world, settings, &reasons);
  return reasons;
}

}  // namespace pgmahout::agent
