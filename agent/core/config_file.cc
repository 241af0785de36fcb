// SPDX-License-Identifier: Apache-2.0
#include "agent/core/config_file.h"

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/fingerprint.h"
#include "common/pg/names.h"
#include "common/pg/quote.h"

namespace pgmahout::agent {
namespace {

constexpr size_t kUsualBytes = 4'096;
constexpr absl::string_view kConfigIdPrefix = "pgmahout.config_id = '";

// The names outlive it: literals, or keys of the spec. This text is rendered at every look.
using Settings = std::vector<std::pair<absl::string_view, std::string>>;

// PostgreSQL hands archive_command and restore_command to a shell and expands % in them.
std::string QuoteForShell(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}, {"%", "%%"}}), "'");
}

std::string Milliseconds(Duration duration) {
  return absl::StrCat(duration.count(), "ms");
}

const Member* FindMember(const DesiredState& desired, absl::string_view node) {
  for (const Member& member : desired.members) {
    if (member.node == node) {
      return &member;
    }
  }
  return nullptr;
}

// What a spec may override. Values that are not PostgreSQL's defaults say why.
Settings Defaults(const DesiredState& desired) {
  const size_t members = desired.members.size();
  return {
      {"max_wal_senders", absl::StrCat(std::max<size_t>(10, 2 * members + 2))},
      {"max_replication_slots", absl::StrCat(std::max<size_t>(10, 2 * members + 2))},
      // A standby that was away for a moment finds its WAL without the archive.
      {"wal_keep_size", "256MB"},
      // A dead standby must not fill the primary's disk.
      {"max_slot_wal_keep_size", "10GB"},
      {"log_line_prefix", "%m [%p] %q%u@%d "},
      {"log_checkpoints", "on"},
  };
}

Settings ReplicationSettings(const DesiredState& desired) {
  return {
      {"wal_level", "replica"},
      {"hot_standby", "on"},
      {"wal_log_hints", "on"},  // pg_rewind needs it where checksums are off
      {"recovery_target_timeline", "latest"},
      // PostgreSQL's default of 5 s would be added to every failover.
      {"wal_retrieve_retry_interval", "200ms"},
      {"wal_receiver_status_interval", "1s"},
      {"wal_receiver_timeout",
       Milliseconds(std::max(desired.spec.failover.detect_after, Duration{2'000}))},
      {"wal_sender_timeout", "10s"},
  };
}

Settings ArchiveSettings(const DesiredState& desired, const ConfigContext& context, bool restore) {
  if (desired.spec.archive_directory.empty()) {
    return {{"archive_mode", "off"}, {"archive_command", ""}, {"restore_command", ""}};
  }
  const std::string program = QuoteForShell(context.wal_program);
  const std::string directory = QuoteForShell(desired.spec.archive_directory);
  return {
      {"archive_mode", "on"},
      {"archive_command",
       absl::StrCat(program, " archive-push --directory ", directory, " \"%p\"")},
      {"restore_command",
       restore ? absl::StrCat(program, " archive-get --directory ", directory, " %f \"%p\"") : ""},
  };
}

std::string PrimaryConninfo(const Member& upstream, const ConfigContext& context, bool adopted) {
  Settings words = {
      {"host", upstream.address},
      {"port", absl::StrCat(upstream.port)},
      {"user", std::string(kReplicationRole)},
      {"passfile", context.password_file},
      {"application_name", context.node},
      {"sslmode", "verify-ca"},
      {"sslrootcert", context.ca_file},
      {"connect_timeout", "3"},
      {"keepalives_idle", "2"},
      {"keepalives_interval", "1"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "5000"},  // milliseconds
  };
  // Who started that server may have had certificates of another authority at home, which libpq
  // would show, or a home that is not readable.
  if (adopted) {
    words.emplace_back("sslcert", context.certificate_file);
    words.emplace_back("sslkey", context.key_file);
  }
  return absl::StrJoin(words, " ", [](std::string* out, const auto& word) {
    absl::StrAppend(out, word.first, "=", QuoteConninfoValue(word.second));
  });
}

Settings FollowSettings(const DesiredState& desired, const ConfigContext& context, bool detached) {
  const Member* upstream =
      desired.assignment == Assignment::kStandby ? FindMember(desired, desired.upstream) : nullptr;
  if (detached || upstream == nullptr) {
    return {{"primary_conninfo", ""}, {"primary_slot_name", ""}};
  }
  return {{"primary_conninfo", PrimaryConninfo(*upstream, context, desired.adopt)},
          {"primary_slot_name", SlotNameOf(context.node)}};
}

Settings LogSettings(const ConfigContext& context) {
  if (context.log_directory.empty()) {
    return {{"logging_collector", "off"}};
  }
  return {{"logging_collector", "on"},
          {"log_directory", context.log_directory},
          {"log_file_mode", "0600"}};
}

Settings PlaceSettings(const ConfigContext& context) {
  if (context.data_directory.empty()) {
    return {};
  }
  return {{"data_directory", context.data_directory}};
}

Settings ServerSettings(const DesiredState& desired, const ConfigContext& context) {
  return {
      {"cluster_name", desired.cluster},
      {"listen_addresses", context.address},
      {"port", absl::StrCat(desired.spec.port)},
      {"unix_socket_directories", context.socket_directory},
      {"ssl", "on"},
      {"ssl_cert_file", context.certificate_file},
      {"ssl_key_file", context.key_file},
      {"ssl_ca_file", context.ca_file},
      {"ssl_min_protocol_version", "TLSv1.2"},
      {"password_encryption", "scram-sha-256"},
      {"fsync", "on"},
      {"full_page_writes", "on"},
      {"synchronous_standby_names", RenderSynchronousStandbyNames(desired.quorum)},
  };
}

void Append(std::string* text, const Settings& settings) {
  for (const auto& [name, value] : settings) {
    absl::StrAppend(text, name, " = ", QuoteConfigValue(value), "\n");
  }
}

bool IsLoopback(absl::string_view address) {
  return absl::StartsWith(address, "127.");
}

// "10.0.0.1" -> "10.0.0.1/32".
std::string HostMask(const std::string& address) {
  return absl::StrCat(address, absl::StrContains(address, ':') ? "/128" : "/32");
}

// Where connections of members come from. Linux uses 127.0.0.1 as the source of every connection
// to 127.0.0.0/8, whatever address the peer listens on.
std::vector<std::string> MemberSources(const DesiredState& desired) {
  std::vector<std::string> sources;
  const auto add = [&sources](const Member& member) {
    if (!member.address.empty()) {
      sources.push_back(HostMask(IsLoopback(member.address) ? "127.0.0.1" : member.address));
    }
  };
  std::for_each(desired.members.begin(), desired.members.end(), add);
  add(desired.witness);  // it looks at the primary
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  return sources;
}

std::string HbaNames(const std::vector<std::string>& names) {
  return absl::StrJoin(names, ",", [](std::string* out, const std::string& name) {
    absl::StrAppend(out, name == "all" ? name : QuoteHbaField(name));
  });
}

std::string HbaLine(const HbaRule& rule) {
  return absl::StrCat(rule.type, " ", HbaNames(rule.databases), " ", HbaNames(rule.users), " ",
                      rule.source == "all" ? rule.source : QuoteHbaField(rule.source), " ",
                      rule.method, "\n");
}

// Only what follows a confirmed primary may have to fetch WAL that is gone there. While the primary
// changes, each look into the archive is a program to start, and writes wait for it: at the end of
// recovery PostgreSQL asks for the last segment and for history files.
bool NeedsArchive(const DesiredState& desired, bool detached) {
  return !detached && desired.assignment == Assignment::kStandby && desired.may_rebuild;
}

}  // namespace

std::string RenderConfig(const DesiredState& desired, const ConfigContext& context, bool detached) {
  std::string text;
  text.reserve(kUsualBytes);
  text =
      "# Written by pgmahout-agent, which puts it back when it is changed. Edit the cluster's "
      "spec:\n"
      "# pgmahout apply -f FILE\n";
  Append(&text, Defaults(desired));
  absl::StrAppend(&text, "# From spec.postgresql.parameters:\n");
  std::string parameters;
  Append(&parameters, Settings(desired.spec.parameters.begin(), desired.spec.parameters.end()));
  absl::StrAppend(&text, parameters, "# Parameters ", absl::Hex(Fingerprint(parameters)),
                  ". What follows is not for the spec:\n");
  Append(&text, PlaceSettings(context));
  Append(&text, ServerSettings(desired, context));
  Append(&text, LogSettings(context));
  Append(&text, ReplicationSettings(desired));
  Append(&text, ArchiveSettings(desired, context, NeedsArchive(desired, detached)));
  Append(&text, FollowSettings(desired, context, detached));
  if (context.wished_epoch != 0) {
    Append(&text, {{kWishParameter, absl::StrCat(context.wished_epoch)}});
  }
  absl::StrAppend(&text, kConfigIdPrefix, absl::Hex(Fingerprint(text), absl::kZeroPad16), "'\n");
  return text;
}

std::string ConfigIdOf(absl::string_view config) {
  const size_t start = config.rfind(kConfigIdPrefix);
  if (start == absl::string_view::npos) {
    return "";
  }
  const absl::string_view rest = config.substr(start + kConfigIdPrefix.size());
  return std::string(rest.substr(0, rest.find('\'')));
}

bool SameUserParameters(absl::string_view config, absl::string_view other) {
  const auto line_of = [](absl::string_view text) {
    const size_t start = text.find("# Parameters ");
    return start == absl::string_view::npos ? absl::string_view()
                                            : text.substr(start, text.find('\n', start) - start);
  };
  return !line_of(config).empty() && line_of(config) == line_of(other);
}

std::string RenderHba(const DesiredState& desired) {
  std::string text =
      "# Written by pgmahout-agent, which puts it back when it is changed. Edit "
      "spec.postgresql.pgHba.\n"
      "local all \"postgres\" peer\n";
  for (const std::string& source : MemberSources(desired)) {
    for (const char* database : {"replication", "\"postgres\""}) {  // pg_rewind uses the latter
      absl::StrAppend(&text, "hostssl ", database, " ", QuoteHbaField(kReplicationRole), " ",
                      QuoteHbaField(source), " scram-sha-256\n");
    }
  }
  absl::StrAppend(&text, "host all ", QuoteHbaField(kReplicationRole), " all reject\n");
  for (const HbaRule& rule : desired.spec.hba) {
    absl::StrAppend(&text, HbaLine(rule));
  }
  absl::StrAppend(&text, "host all all all reject\n");
  return text;
}

std::string RenderSynchronousStandbyNames(const Quorum& quorum) {
  if (quorum.number == 0) {
    return "";
  }
  return absl::StrCat("ANY ", quorum.number, " (",
                      absl::StrJoin(quorum.standbys, ", ",
                                    [](std::string* out, const std::string& node) {
                                      absl::StrAppend(out, QuoteIdentifier(node));
                                    }),
                      ")");
}

std::string RolesIdOf(const DesiredState& desired) {
  std::string text = desired.replication_password;
  for (const DatabaseSpec& database : desired.spec.databases) {
    absl::StrAppend(&text, "\ndatabase ", database.name, "\n", database.owner, "\n",
                    absl::StrJoin(database.extensions, "\n"));
  }
  for (const RoleSpec& role : desired.spec.roles) {
    absl::StrAppend(&text, "\nrole ", role.name, "\n", role.login ? "login" : "");
    for (const RoleAccess& access : role.access) {
      absl::StrAppend(&text, "\naccess ", access.database, "\n", access.preset);
    }
  }
  for (const RoleCredential& credential : desired.credentials) {
    absl::StrAppend(&text, "\ncredential ", credential.role, "\n", credential.verifier);
  }
  return absl::StrCat("pgmahout roles ", absl::Hex(Fingerprint(text), absl::kZeroPad16));
}

std::map<std::string, std::string> SettingsOf(absl::string_view config) {
  std::map<std::string, std::string> settings;
  for (const auto& line : absl::StrSplit(config, '\n')) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(" = ", 1));
    const std::string& quoted = parts.second;
    if (!absl::StartsWith(line, "#") && quoted.size() >= 2) {
      settings[parts.first] =
          absl::StrReplaceAll(quoted.substr(1, quoted.size() - 2), {{"''", "'"}, {"\\\\", "\\"}});
    }
  }
  return settings;
}

const std::vector<std::string>& OwnedParameters() {
  static const std::vector<std::string>* const names = [] {
    auto* list = new std::vector<std::string>;
    const DesiredState nothing;
    ConfigContext nowhere;
    nowhere.log_directory = "/";
    for (const Settings& settings :
         {ServerSettings(nothing, nowhere), LogSettings(nowhere), ReplicationSettings(nothing),
          ArchiveSettings(nothing, nowhere, false), FollowSettings(nothing, nowhere, false)}) {
      for (const auto& [name, value] : settings) {
        list->emplace_back(name);
      }
    }
    return list;
  }();
  return *names;
}

}  // namespace pgmahout::agent
