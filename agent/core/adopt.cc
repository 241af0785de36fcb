// SPDX-License-Identifier: Apache-2.0
#include "agent/core/adopt.h"

#include <algorithm>
#include <array>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agent/core/release.h"
#include "agent/core/rules.h"

namespace pgmahout::agent {
namespace {

// Long values are cut: a plan has to fit into a heartbeat.
constexpr size_t kTextMax = 200;
constexpr size_t kListMax = 200;
constexpr size_t kMessageMax = 3'000;

// May hold a password.
constexpr absl::string_view kConninfo = "primary_conninfo";

using Settings = std::map<std::string, std::string>;

// What the node does in the cluster that is to be.
AdoptionPart PartOf(const World& world) {
  const bool would_be_primary =
      Assigned(world, Assignment::kPreview) && world.desired->upstream == world.context.node;
  if (Assigned(world, Assignment::kAdopt) || would_be_primary) {
    return AdoptionPart::kPrimary;
  }
  return world.observation.existing->data_directory.empty() ? AdoptionPart::kCopy
                                                            : AdoptionPart::kStandby;
}

// What our configuration file would say.
Settings NewSettings(const World& world, AdoptionPart part) {
  DesiredState desired = *world.desired;
  desired.assignment = part == AdoptionPart::kPrimary ? Assignment::kPrimary : Assignment::kStandby;
  ConfigContext context = world.context;
  context.data_directory.clear();  // it stays where it is
  return SettingsOf(RenderConfig(desired, context, /*detached=*/false));
}

std::string Shortened(const std::string& text, size_t most = kTextMax) {
  return text.size() <= most ? text : absl::StrCat(text.substr(0, most), "...");
}

std::string Shown(const std::string& name, const std::string& value) {
  return name == kConninfo && !value.empty() ? "(not shown)" : Shortened(value);
}

std::vector<SettingChange> ChangesOf(const ExistingServer& server, const Settings& settings) {
  std::vector<SettingChange> changes;
  for (const auto& [name, value] : settings) {
    const auto present = server.settings.find(name);
    if (present != server.settings.end() && !SameValue(present->second.value, value)) {
      changes.push_back(SettingChange{name, Shown(name, present->second.value), Shown(name, value),
                                      present->second.needs_restart});
    }
  }
  return changes;
}

std::vector<std::string> RulesThatGo(const ExistingServer& server, const std::string& hba) {
  const std::set<std::string> ours = absl::StrSplit(hba, '\n');
  std::vector<std::string> gone;
  for (const std::string& rule : server.hba) {
    if (ours.count(rule) == 0 && gone.size() < kListMax) {
      gone.push_back(Shortened(rule));
    }
  }
  return gone;
}

bool Has(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

void NoteRoles(const World& world, std::vector<std::string>* notes) {
  const ExistingServer& server = *world.observation.existing;
  if (!Has(server.roles, std::string(kReplicationRole))) {
    notes->push_back(absl::StrCat("role ", kReplicationRole, " is created"));
  }
  for (const RoleSpec& role : world.desired->spec.roles) {
    if (!Has(server.roles, role.name)) {
      notes->push_back(absl::StrCat("role ", role.name, " is created"));
    } else if (role.login) {
      notes->push_back(absl::StrCat("role ", role.name,
                                    " gets a new, generated password; to keep the one it has, "
                                    "leave it out of spec.roles"));
    }
  }
  for (const DatabaseSpec& database : world.desired->spec.databases) {
    notes->push_back(Has(server.databases, database.name)
                         ? absl::StrCat("database ", database.name,
                                        " is there; its owner and the rights in schema public "
                                        "become those of the spec")
                         : absl::StrCat("database ", database.name, " is created"));
  }
}

void NoteLeftovers(const World& world, std::vector<std::string>* notes) {
  const ExistingServer& server = *world.observation.existing;
  for (const std::string& slot : server.physical_slots) {
    if (!absl::StartsWith(slot, "pgmahout_")) {
      notes->push_back(absl::StrCat("replication slot ", slot,
                                    " stays and holds WAL; drop it when nobody uses it any more"));
    }
  }
  for (const std::string& tablespace : server.tablespaces) {
    notes->push_back(absl::StrCat("tablespace ", tablespace,
                                  ": a node that is copied needs an empty directory there"));
  }
  const auto value_of = [&server](const std::string& name) {
    const auto found = server.settings.find(name);
    return found == server.settings.end() ? std::string("on") : found->second.value;
  };
  const std::string checksums = value_of("data_checksums");
  const std::string hints = value_of("wal_log_hints");
  if (checksums == "off" && hints == "off") {
    notes->push_back(
        "without data checksums a former primary is copied anew instead of rewound, "
        "until wal_log_hints is on after a restart");
  }
}

// What initdb and packages write, and what belongs to the machine.
bool BelongsHere(const std::string& name) {
  static constexpr std::array<absl::string_view, 16> kNames = {"DateStyle",
                                                               "TimeZone",
                                                               "cluster_name",
                                                               "config_file",
                                                               "data_directory",
                                                               "default_text_search_config",
                                                               "dynamic_shared_memory_type",
                                                               "external_pid_file",
                                                               "hba_file",
                                                               "ident_file",
                                                               "lc_messages",
                                                               "lc_monetary",
                                                               "lc_numeric",
                                                               "lc_time",
                                                               "log_timezone",
                                                               "stats_temp_directory"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

bool MayBeSecret(const std::string& name) {
  return absl::StrContains(name, "pass") || absl::StrContains(name, "secret") ||
         absl::StrContains(name, "conninfo") || absl::StrContains(name, "key");
}

// Settings of its own postgresql.conf go on to hold there, and nowhere else.
void NoteOwnSettings(const World& world,
                     const Settings& settings,
                     std::vector<std::string>* notes) {
  std::vector<std::string> own;
  for (const auto& [name, setting] : world.observation.existing->settings) {
    if (setting.own && settings.count(name) == 0 && !BelongsHere(name) && !MayBeSecret(name) &&
        own.size() < kListMax) {
      own.push_back(absl::StrCat(name, ": ", Shortened(setting.value)));
    }
  }
  if (!own.empty()) {
    notes->push_back(
        Shortened(absl::StrCat("settings that only this server has; for the other members add to "
                               "spec.postgresql.parameters: ",
                               absl::StrJoin(own, ", ")),
                  kMessageMax));
  }
}

// "8MB" -> 8388608, "3s" -> 3000; nothing if it is no number.
bool ParseQuantity(absl::string_view text, double* number) {
  static const auto* const kUnits = new std::map<std::string, double>{{"", 1.0},
                                                                      {"us", 0.001},
                                                                      {"ms", 1.0},
                                                                      {"s", 1'000.0},
                                                                      {"min", 60'000.0},
                                                                      {"h", 3'600'000.0},
                                                                      {"d", 86'400'000.0},
                                                                      {"B", 1.0},
                                                                      {"kB", 1'024.0},
                                                                      {"MB", 1'048'576.0},
                                                                      {"GB", 1'073'741'824.0},
                                                                      {"TB", 1'099'511'627'776.0}};
  const size_t end = std::min(text.find_first_not_of("+-.0123456789"), text.size());
  const auto unit = kUnits->find(std::string(absl::StripAsciiWhitespace(text.substr(end))));
  if (unit == kUnits->end() || !absl::SimpleAtod(text.substr(0, end), number)) {
    return false;
  }
  *number *= unit->second;
  return true;
}

std::string AsBoolean(absl::string_view text) {
  std::string lower = absl::AsciiStrToLower(text);
  if (lower == "true" || lower == "yes") {
    return "on";
  }
  return lower == "false" || lower == "no" ? "off" : lower;
}

bool NeedsAdoption(const Memory& memory, const Observation& seen) {
  return !memory.adopted && (!seen.data.exists || IsReleased(seen.data.config));
}

}  // namespace

bool SameValue(absl::string_view one, absl::string_view other) {
  double first = 0;
  double second = 0;
  if (ParseQuantity(one, &first) && ParseQuantity(other, &second)) {
    return first == second;
  }
  return one == other || AsBoolean(one) == AsBoolean(other);
}

bool WantsExisting(const std::optional<DesiredState>& desired,
                   const Memory& memory,
                   const Observation& seen) {
  if (!desired.has_value() || !desired->adopt) {
    return false;
  }
  const bool is_member =
      desired->assignment == Assignment::kAdopt || desired->assignment == Assignment::kStandby;
  return desired->assignment == Assignment::kPreview || (is_member && NeedsAdoption(memory, seen));
}

AdoptionPlan PlanAdoption(const World& world) {
  const ExistingServer& server = *world.observation.existing;
  AdoptionPlan plan;
  plan.part = PartOf(world);
  const Settings settings = NewSettings(world, plan.part);
  plan.refusals = RefusalsOf(world, plan.part, settings);
  if (server.data_directory.empty()) {
    return plan;
  }
  plan.system_identifier = server.system_identifier;
  plan.server = absl::StrCat("PostgreSQL ", server.version.empty() ? "?" : server.version, " in ",
                             server.data_directory);
  plan.settings = ChangesOf(server, settings);
  plan.hba = RulesThatGo(server, RenderHba(*world.desired));
  if (plan.part == AdoptionPart::kPrimary && server.runs) {
    NoteRoles(world, &plan.notes);
    NoteLeftovers(world, &plan.notes);
    NoteOwnSettings(world, settings, &plan.notes);
  }
  return plan;
}

Maybe Adopt(const World& world) {
  const Observation& seen = world.observation;
  const bool is_primary = Assigned(world, Assignment::kAdopt);
  if (is_primary && world.memory.adopted && seen.existing.has_value()) {
    return Wait(world, "has taken over the server and looks at it");
  }
  if (!world.desired->adopt || !(is_primary || Assigned(world, Assignment::kStandby)) ||
      !NeedsAdoption(world.memory, seen)) {
    return std::nullopt;
  }
  if (!seen.existing.has_value()) {
    return Wait(world, "looks for the server that runs here");
  }
  const AdoptionPlan plan = PlanAdoption(world);
  if (!plan.refusals.empty()) {
    return Blocked(world, Shortened(absl::StrCat("cannot take over the server that is here: ",
                                                 absl::StrJoin(plan.refusals, "; ")),
                                    kMessageMax));
  }
  if (plan.part == AdoptionPart::kCopy) {
    return std::nullopt;
  }
  // From the moment it is ours it runs by the lease.
  if (is_primary && !HasLease(world)) {
    return Wait(world, "waits for a lease");
  }
  Step step = Do(world, StepKind::kAdopt, absl::StrCat("takes over ", plan.server));
  step.existing = seen.existing->data_directory;
  step.memory.adopted = true;
  step.memory.data_number = std::max<uint64_t>(1, world.memory.data_number);
  return step;
}

}  // namespace pgmahout::agent
