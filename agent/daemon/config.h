// SPDX-License-Identifier: Apache-2.0
// agent.yaml: what this agent is told about its VM. Everything else comes from the controller.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "agent/postgres/debian_cluster.h"

namespace pgmahout::agent {

struct AgentConfig {
  std::string node;
  std::string state_dir;
  std::string address;         // where PostgreSQL listens and peers reach it
  std::string controller;      // host:port
  std::string metrics_listen;  // host:port; empty: none
  std::string health_listen;
  std::string control = "direct";                   // direct, systemd
  std::string unit = "postgresql@14-main.service";  // with systemd
  // The cluster of `unit`: configuration in /etc/postgresql. With systemd always, else never.
  std::optional<DebianCluster> debian_cluster;
  std::string data_root;
  std::string existing_data;  // data directory of a server that may be adopted; empty: none
  std::map<uint32_t, std::string> bin_directories;  // by major version
  std::string wal_program;
  std::string guard_program;    // empty: no guard
  std::string guard_directory;  // of the guard's order and report; absolute, best on a tmpfs
};

// InvalidArgument names file, line and what is allowed.
absl::StatusOr<AgentConfig> LoadAgentConfig(const std::string& path);

}  // namespace pgmahout::agent
