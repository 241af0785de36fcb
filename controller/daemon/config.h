// SPDX-License-Identifier: Apache-2.0
// controller.yaml: where the controller keeps its state, where it listens, and which DNS zones it
// may change.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pgmahout::controller {

struct ZoneConfig {
  std::string zone;                  // "db.example.", with the final dot
  std::vector<std::string> servers;  // "address:port"; the first takes updates
  std::string tsig_key_file;         // as tsig-keygen writes it
};

struct ControllerConfig {
  std::string state_dir;
  std::string listen;       // host:port, gRPC
  std::string http_listen;  // host:port; empty: none
  std::vector<ZoneConfig> zones;
};

// A tsigKeyFile without a directory is a credential: systemd puts it into `credentials_directory`
// under the name "tsig_<file>" (LoadCredential=tsig:DIRECTORY). InvalidArgument names file, line
// and what is allowed.
absl::StatusOr<ControllerConfig> LoadControllerConfig(const std::string& path,
                                                      const std::string& credentials_directory);

}  // namespace pgmahout::controller
