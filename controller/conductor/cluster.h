// SPDX-License-Identifier: Apache-2.0
// Conductor::Cluster: what the conductor holds of one cluster. For the conductor's own files.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "controller/conductor/conductor.h"

namespace pgmahout::controller {

// The kind of a cluster's record in the store.
inline constexpr char kClusterKind[] = "cluster";

struct Conductor::Cluster {
  std::string name;
  ClusterState state;
  uint64_t version = 0;  // of its record in the store
  std::string replication_password;
  std::vector<RoleCredential> credentials;
  std::deque<std::pair<Event, Reply>> queue;
  bool busy = false;  // records are on their way to disk
};

// A fingerprint of a desired state, by which an agent says which one it holds.
uint64_t GenerationOf(const v1::DesiredState& desired);

inline absl::Status NoSuchCluster(const std::string& name) {
  return WithHint(absl::NotFoundError(absl::StrCat("cluster \"", name, "\" does not exist")),
                  "See pgmahout cluster list.");
}

}  // namespace pgmahout::controller
