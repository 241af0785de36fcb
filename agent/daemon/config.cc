// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/config.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/base/yaml_file.h"
#include "common/pg/names.h"

namespace pgmahout::agent {
namespace {

// Debian's layout; agent.yaml may name others.
constexpr char kRunDirectory[] = "/run/pgmahout";
constexpr std::array<uint32_t, 4> kMajors = {14, 15, 16, 17};

std::string BesideThisProgram(absl::string_view name) {
  std::error_code ignored;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return (self.parent_path() / std::string(name)).string();
}

absl::Status ReadBinDirectories(YamlFile& file, const std::string& path, AgentConfig* config) {
  for (const uint32_t major : kMajors) {
    config->bin_directories[major] = absl::StrCat("/usr/lib/postgresql/", major, "/bin");
  }
  for (const auto& [text, directory] : file.TextMap("postgres.binDirs")) {
    uint32_t major = 0;
    if (!absl::SimpleAtoi(text, &major)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": postgres.binDirs: \"", text, "\" is no major version"));
    }
    config->bin_directories[major] = directory;
  }
  return absl::OkStatus();
}

// The unit names the cluster, as postgresql-common has it.
absl::Status ReadCluster(const std::string& path, AgentConfig* config) {
  if (config->control != "systemd") {
    return absl::OkStatus();
  }
  config->debian_cluster = DebianClusterOf(config->unit);
  if (!config->debian_cluster.has_value()) {
    return WithHint(absl::InvalidArgumentError(absl::StrCat(path, ": postgres.unit: \"",
                                                            config->unit, "\" names no cluster")),
                    "It is postgresql@VERSION-NAME.service, as in postgresql@14-main.service.");
  }
  return absl::OkStatus();
}

// Debian's directory for the data of that cluster; beside it where somebody's data are in there
// already, which may be adopted. Once made, the one beside stays.
std::string DefaultDataRoot(const AgentConfig& config) {
  if (!config.debian_cluster.has_value()) {
    return "";
  }
  const std::string usual = absl::StrCat("/var/lib/postgresql/", config.debian_cluster->major, "/",
                                         config.debian_cluster->name);
  const std::string beside = usual + ".pgmahout";
  std::error_code ignored;
  const bool is_taken = std::filesystem::exists(usual + "/PG_VERSION", ignored) ||
                        std::filesystem::exists(beside, ignored);
  return is_taken ? beside : usual;
}

absl::Status Check(const AgentConfig& config, const std::string& path) {
  if (absl::Status status = CheckObjectName("node name", config.node); !status.ok()) {
    return Annotate(status, absl::StrCat(path, ": node"));
  }
  if (config.control != "direct" && config.control != "systemd") {
    return absl::InvalidArgumentError(absl::StrCat(path, ": postgres.control: \"", config.control,
                                                   "\" is neither direct nor systemd"));
  }
  for (const std::string* directory :
       {&config.state_dir, &config.data_root, &config.guard_directory}) {
    if (!absl::StartsWith(*directory, "/")) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": \"", *directory, "\" must be an absolute path"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AgentConfig> LoadAgentConfig(const std::string& path) {
  PGM_ASSIGN_OR_RETURN(YamlFile file, YamlFile::Load(path));
  AgentConfig config;
  config.node = file.Text("node");
  config.state_dir = file.Text("stateDir");
  config.address = file.Text("address");
  config.controller = file.Text("controller");
  config.metrics_listen = file.Text("http.metrics", absl::StrCat(config.address, ":9187"));
  config.health_listen = file.Text("http.health", absl::StrCat(config.address, ":8008"));
  config.control = file.Text("postgres.control", config.control);
  config.unit = file.Text("postgres.unit", config.unit);
  PGM_RETURN_IF_ERROR(ReadCluster(path, &config));
  config.data_root = file.Text("postgres.dataRoot", DefaultDataRoot(config));
  config.existing_data = file.Text("postgres.existingData", "");
  config.wal_program = file.Text("postgres.walProgram", BesideThisProgram("pgmahout-wal"));
  config.guard_program = file.Text("postgres.guardProgram", BesideThisProgram("pgmahout-guard"));
  // Where pgmahout-guard.service looks; a guard that this agent starts itself is told.
  config.guard_directory =
      file.Text("postgres.guardDirectory",
                config.control == "systemd" ? std::string(kRunDirectory) : config.state_dir);
  PGM_RETURN_IF_ERROR(ReadBinDirectories(file, path, &config));
  std::vector<std::string> required = {"node", "stateDir", "address", "controller"};
  if (config.data_root.empty()) {
    required.push_back("postgres.dataRoot");
  }
  PGM_RETURN_IF_ERROR(file.Finish(required));
  PGM_RETURN_IF_ERROR(Check(config, path));
  return config;
}

}  // namespace pgmahout::agent
