// SPDX-License-Identifier: Apache-2.0
#include "controller/daemon/config.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/base/yaml_file.h"

namespace pgmahout::controller {
namespace {

absl::StatusOr<std::string> KeyFile(const std::string& value,
                                    const std::string& credentials_directory,
                                    const std::string& path) {
  if (absl::StrContains(value, '/')) {
    return value;
  }
  if (credentials_directory.empty()) {
    return WithHint(
        absl::InvalidArgumentError(absl::StrCat(
            path, ": tsigKeyFile \"", value, "\" is no path, and this process has no credentials")),
        "Write its whole path, or start pgmahout-controller.service.");
  }
  return absl::StrCat(credentials_directory, "/tsig_", value);
}

absl::StatusOr<ZoneConfig> ReadZone(const std::map<std::string, std::string>& entry,
                                    const std::string& credentials_directory,
                                    const std::string& path) {
  ZoneConfig zone;
  for (const auto& [key, value] : entry) {
    if (key == "zone") {
      zone.zone = absl::EndsWith(value, ".") ? value : value + ".";
    } else if (key == "servers") {
      zone.servers = absl::StrSplit(value, ',', absl::SkipEmpty());
    } else if (key == "tsigKeyFile") {
      PGM_ASSIGN_OR_RETURN(zone.tsig_key_file, KeyFile(value, credentials_directory, path));
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": unknown key \"dns.", key, "\"; known: zone, servers, tsigKeyFile"));
    }
  }
  if (zone.zone.empty() || zone.servers.empty() || zone.tsig_key_file.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": each entry of dns needs zone, servers and tsigKeyFile"));
  }
  return zone;
}

}  // namespace

absl::StatusOr<ControllerConfig> LoadControllerConfig(const std::string& path,
                                                      const std::string& credentials_directory) {
  PGM_ASSIGN_OR_RETURN(YamlFile file, YamlFile::Load(path));
  ControllerConfig config;
  config.state_dir = file.Text("stateDir");
  config.listen = file.Text("listen");
  config.http_listen = file.Text("http");
  for (const auto& entry : file.MapList("dns")) {
    PGM_ASSIGN_OR_RETURN(config.zones.emplace_back(), ReadZone(entry, credentials_directory, path));
  }
  PGM_RETURN_IF_ERROR(file.Finish({"stateDir", "listen"}));
  if (config.state_dir.front() != '/') {
    return absl::InvalidArgumentError(absl::StrCat(path, ": stateDir must be an absolute path"));
  }
  return config;
}

}  // namespace pgmahout::controller
