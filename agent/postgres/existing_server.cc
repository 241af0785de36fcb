// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/existing_server.h"

#include <cstring>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agent/postgres/observer.h"
#include "agent/postgres/process_control.h"
#include "agent/postgres/session.h"
#include "common/base/durable_file.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

// Fixed: what the server got with its start.
constexpr char kSettingsQuery[] =
    "SELECT name, current_setting(name), context = 'postmaster', source = 'configuration file', "
    "source = 'command line' FROM pg_settings WHERE context <> 'internal' OR name IN "
    "('data_checksums', 'server_version', 'server_version_num')";

struct ListQuery {
  const char* sql;
  std::vector<std::string> ExistingServer::*list;
};

constexpr ListQuery kLists[] = {
    {"SELECT rolname FROM pg_roles ORDER BY 1", &ExistingServer::roles},
    {"SELECT datname FROM pg_database ORDER BY 1", &ExistingServer::databases},
    {"SELECT spcname || ' (' || pg_tablespace_location(oid) || ')' FROM pg_tablespace "
     "WHERE pg_tablespace_location(oid) <> '' ORDER BY 1",
     &ExistingServer::tablespaces},
    {"SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'physical' ORDER BY 1",
     &ExistingServer::physical_slots},
    {"SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'logical' ORDER BY 1",
     &ExistingServer::logical_slots},
};

std::string TextOf(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() ? *std::move(text) : std::string();
}

std::string RealPath(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  return error ? std::string() : real.string();
}

// Where such a server may be, and how a person would call that place.
std::string PlaceOf(const Layout& layout, const Memory& memory, std::string* directory) {
  if (memory.data_number != 0) {
    *directory = layout.DataDirectory(memory.data_number);
    return *directory;
  }
  const InstanceConfig& config = layout.config();
  if (!config.existing_data.empty()) {
    *directory = config.existing_data;
    return *directory;
  }
  if (layout.IsDebian()) {
    *directory = DataDirectoryIn(TextOf(config.config_directory + "/postgresql.conf"));
    return config.config_directory;
  }
  return "agent.yaml, which names none: postgres.existingData";
}

void TakeSettings(const Rows& rows, ExistingServer* server) {
  for (const Row& row : rows) {
    server->settings[row[0]] = ExistingSetting{row[1], row[2] == "t", row[3] == "t", row[4] == "t"};
  }
  const std::string version = server->settings["server_version"].value;
  server->version = version.substr(0, version.find(' '));
  uint32_t number = 0;
  if (absl::SimpleAtoi(server->settings["server_version_num"].value, &number)) {
    server->major = number / 10'000;
  }
}

// Our files have to be where it reads them.
void CompareFiles(const Layout& layout, ExistingServer* server) {
  const std::string& directory = server->data_directory;
  for (const auto& [name, path] :
       {std::pair<std::string, std::string>{"config_file", layout.MainConfigFile(directory)},
        {"hba_file", layout.HbaFile(directory)}}) {
    const std::string& present = server->settings[name].value;
    if (RealPath(present) != RealPath(path)) {
      server->foreign_files.push_back(present);
    }
  }
}

absl::Status AskExisting(const Layout& layout, BootTime deadline, ExistingServer* server) {
  PGM_ASSIGN_OR_RETURN(const SocketAddress socket, SocketOf(server->data_directory));
  PGM_ASSIGN_OR_RETURN(Session session,
                       Session::Open(socket.directory, socket.port, "postgres", deadline));
  PGM_ASSIGN_OR_RETURN(
      const Rows first,
      session.Query("SELECT pg_is_in_recovery(), rolsuper FROM pg_roles WHERE rolname = "
                    "current_user",
                    deadline));
  if (first.size() != 1 || first[0][1] != "t") {
    return absl::PermissionDeniedError("role postgres is no superuser");
  }
  server->in_recovery = first[0][0] == "t";
  PGM_ASSIGN_OR_RETURN(const Rows settings, session.Query(kSettingsQuery, deadline));
  TakeSettings(settings, server);
  for (const ListQuery& list : kLists) {
    PGM_ASSIGN_OR_RETURN(const Rows rows, session.Query(list.sql, deadline));
    for (const Row& row : rows) {
      (server->*list.list).push_back(row[0]);
    }
  }
  CompareFiles(layout, server);
  server->hba = RulesIn(TextOf(server->settings["hba_file"].value));
  return absl::OkStatus();
}

}  // namespace

std::string DataDirectoryIn(absl::string_view config) {
  std::string found;
  for (absl::string_view line : absl::StrSplit(config, '\n')) {
    line = absl::StripLeadingAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&line, "data_directory")) {
      continue;
    }
    const size_t open = line.find('\'');
    const size_t close = line.find('\'', open + 1);
    if (open != absl::string_view::npos && close != absl::string_view::npos) {
      found = std::string(line.substr(open + 1, close - open - 1));
    }
  }
  return found;
}

std::vector<std::string> RulesIn(absl::string_view hba) {
  std::vector<std::string> rules;
  for (const auto& line : absl::StrSplit(hba, '\n')) {
    std::vector<std::string> fields =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (fields.empty() || absl::StartsWith(fields.front(), "#")) {
      continue;
    }
    for (std::string& field : fields) {
      if (absl::StartsWith(field, "ldapbindpasswd=") || absl::StartsWith(field, "radiussecrets=")) {
        field = field.substr(0, field.find('=')) + "=(not shown)";
      }
    }
    rules.push_back(absl::StrJoin(fields, " "));
  }
  return rules;
}

ExistingServer LookAtExisting(const Layout& layout, const Memory& memory, BootTime deadline) {
  ExistingServer server;
  std::string directory;
  server.place = PlaceOf(layout, memory, &directory);
  if (directory.empty() || TextOf(directory + "/PG_VERSION").empty()) {
    return server;
  }
  server.data_directory = RealPath(directory);
  server.runs = FindPostmaster(server.data_directory) != 0;
  // pg_control begins with the system identifier (catalog/pg_control.h).
  const std::string control = TextOf(server.data_directory + "/global/pg_control");
  if (control.size() >= sizeof(server.system_identifier)) {
    std::memcpy(&server.system_identifier, control.data(), sizeof(server.system_identifier));
  }
  if (server.runs) {
    server.trouble = std::string(AskExisting(layout, deadline, &server).message());
  }
  return server;
}

}  // namespace pgmahout::agent
