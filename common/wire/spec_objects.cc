// SPDX-License-Identifier: Apache-2.0
// The sections of a spec that name things: dns, archive, databases, roles.
#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/pg/names.h"
#include "common/wire/spec_parts.h"
#include "common/wire/units.h"

namespace pgmahout {
namespace {

constexpr size_t kDnsNameMax = 253;
constexpr size_t kDnsLabelMax = 63;
constexpr size_t kPathMax = 512;
constexpr size_t kExtensionNameMax = 63;
constexpr Duration kDnsTtlMin{1'000};
constexpr Duration kDnsTtlMax{3'600'000};

bool IsDnsLabel(absl::string_view label) {
  return !label.empty() && label.size() <= kDnsLabelMax && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '-';
         });
}

// In lower case and with its final dot; a violation when it is no host name (RFC 1035).
std::string ReadDnsName(absl::string_view name, const std::string& path, Violations* violations) {
  if (name.empty()) {
    return "";
  }
  const absl::string_view bare = absl::StripSuffix(name, ".");
  const std::vector<std::string> labels = absl::StrSplit(bare, '.');
  const bool good =
      bare.size() <= kDnsNameMax && labels.size() >= 2 &&
      std::all_of(labels.begin(), labels.end(), [](const std::string& l) { return IsDnsLabel(l); });
  if (!good) {
    violations->Add(path, absl::StrCat("invalid DNS name \"", name, "\""),
                    "Write a fully qualified host name of letters, digits and \"-\": "
                    "orders-rw.db.example.");
  }
  return absl::StrCat(absl::AsciiStrToLower(bare), ".");
}

// The path becomes a part of archive_command, which a shell reads on the VM.
bool IsPlainPath(absl::string_view path) {
  return path.size() > 1 && path.size() <= kPathMax && path.front() == '/' &&
         std::all_of(path.begin(), path.end(), [](char c) {
           return absl::ascii_isalnum(c) || absl::StrContains("/._-+", c);
         });
}

bool HasDotDot(absl::string_view path) {
  const std::vector<std::string> parts = absl::StrSplit(path, '/');
  return std::find(parts.begin(), parts.end(), "..") != parts.end();
}

bool IsExtensionName(absl::string_view name) {
  return !name.empty() && name.size() <= kExtensionNameMax &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; });
}

void CheckListedRole(const v1::ClusterSpec& proto,
                     const std::string& role,
                     const std::string& path,
                     Violations* violations) {
  const auto& roles = proto.roles();
  if (role.empty()) {
    violations->Add(path, "a database needs an owner", "Name a role of spec.roles.");
  } else if (std::none_of(roles.begin(), roles.end(),
                          [&role](const v1::Role& listed) { return listed.name() == role; })) {
    violations->Add(path, absl::StrCat("owner \"", role, "\" is not among the roles"),
                    absl::StrCat("Add it to spec.roles: - name: ", role));
  }
}

void ReadExtensions(const v1::Database& proto,
                    const std::string& path,
                    DatabaseSpec* database,
                    Violations* violations) {
  std::set<std::string> seen;
  for (int i = 0; i < proto.extensions_size(); ++i) {
    const std::string& name = proto.extensions(i);
    const std::string item = absl::StrCat(path, ".extensions[", i, "]");
    if (!IsExtensionName(name)) {
      violations->Add(item, absl::StrCat("invalid extension name \"", name, "\""),
                      "Use a name from pg_available_extensions.");
    } else if (!seen.insert(name).second) {
      violations->Add(item, absl::StrCat("extension \"", name, "\" is listed twice"),
                      "List it once.");
    }
    database->extensions.push_back(name);
  }
}

void ReadAccess(const v1::Role& proto,
                const std::string& role_path,
                const std::vector<DatabaseSpec>& databases,
                RoleSpec* role,
                Violations* violations) {
  std::set<std::string> seen;
  for (int i = 0; i < proto.access_size(); ++i) {
    RoleAccess access;
    access.database = proto.access(i).database();
    access.preset = proto.access(i).preset().empty() ? access.preset : proto.access(i).preset();
    const std::string path = absl::StrCat(role_path, ".access[", i, "]");
    violations->CheckWord(path + ".preset", access.preset, {"readonly", "readwrite"});
    const bool listed =
        std::any_of(databases.begin(), databases.end(),
                    [&access](const DatabaseSpec& d) { return d.name == access.database; });
    if (!listed) {
      violations->Add(path + ".database",
                      absl::StrCat("database \"", access.database, "\" is not in spec.databases"),
                      "Name one of spec.databases, or add it there.");
    } else if (!seen.insert(access.database).second) {
      violations->Add(path + ".database",
                      absl::StrCat("database \"", access.database, "\" is listed twice"),
                      "Give one preset per database.");
    }
    role->access.push_back(std::move(access));
  }
}

}  // namespace

void ReadDns(const v1::Dns& proto, ClusterSpec* spec, Violations* violations) {
  spec->dns.primary = ReadDnsName(proto.primary(), "spec.dns.primary", violations);
  spec->dns.standbys = ReadDnsName(proto.standbys(), "spec.dns.standbys", violations);
  if (spec->dns.primary.empty() && !spec->dns.standbys.empty()) {
    violations->Add("spec.dns.primary", "dns needs the name of the primary",
                    "Write primary: orders-rw.db.example.");
  }
  if (!spec->dns.primary.empty() && spec->dns.primary == spec->dns.standbys) {
    violations->Add("spec.dns.standbys", "the standbys need a name of their own",
                    "Use another name than spec.dns.primary, or leave it out.");
  }
  if (proto.ttl().empty()) {
    return;
  }
  const auto ttl = ParseDuration(proto.ttl());
  if (!ttl.has_value() || ttl->count() % 1000 != 0 || *ttl < kDnsTtlMin || *ttl > kDnsTtlMax) {
    violations->Add("spec.dns.ttl", absl::StrCat("invalid TTL \"", proto.ttl(), "\""),
                    "Allowed: whole seconds from 1s to 1h.");
    return;
  }
  spec->dns.ttl_seconds = static_cast<uint32_t>(ttl->count() / 1000);
}

void ReadArchive(const v1::Archive& proto, ClusterSpec* spec, Violations* violations) {
  spec->archive_directory = proto.directory();
  if (proto.directory().empty()) {
    return;
  }
  if (!IsPlainPath(proto.directory()) || HasDotDot(proto.directory())) {
    violations->Add("spec.archive.directory",
                    absl::StrCat("invalid directory \"", proto.directory(), "\""),
                    "Write an absolute path of letters, digits and / . _ - +, without \"..\" and "
                    "outside the data directory.");
  }
}

void ReadDatabases(const v1::ClusterSpec& proto, ClusterSpec* spec, Violations* violations) {
  std::set<std::string> seen;
  for (int i = 0; i < proto.databases_size(); ++i) {
    const v1::Database& from = proto.databases(i);
    const std::string path = absl::StrCat("spec.databases[", i, "]");
    DatabaseSpec database;
    database.name = from.name();
    database.owner = from.owner();
    violations->AddIfError(path + ".name", CheckDatabaseName(from.name()));
    if (!seen.insert(from.name()).second) {
      violations->Add(path + ".name",
                      absl::StrCat("database \"", from.name(), "\" is listed twice"),
                      "List each database once.");
    }
    CheckListedRole(proto, from.owner(), path + ".owner", violations);
    ReadExtensions(from, path, &database, violations);
    spec->databases.push_back(std::move(database));
  }
}

void ReadRoles(const v1::ClusterSpec& proto, ClusterSpec* spec, Violations* violations) {
  std::set<std::string> seen;
  for (int i = 0; i < proto.roles_size(); ++i) {
    const v1::Role& from = proto.roles(i);
    const std::string path = absl::StrCat("spec.roles[", i, "]");
    RoleSpec role;
    role.name = from.name();
    role.login = from.login();
    violations->AddIfError(path + ".name", CheckRoleName(from.name()));
    if (!seen.insert(from.name()).second) {
      violations->Add(path + ".name", absl::StrCat("role \"", from.name(), "\" is listed twice"),
                      "List each role once.");
    }
    ReadAccess(from, path, spec->databases, &role, violations);
    spec->roles.push_back(std::move(role));
  }
}

}  // namespace pgmahout
