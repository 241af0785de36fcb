// SPDX-License-Identifier: Apache-2.0
// Secrets: passwords of roles and of replication: generated here, sealed before they are stored,
// handed to agents as SCRAM verifiers wherever a verifier is enough.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/model/cluster_spec.h"
#include "common/model/desired_state.h"
#include "common/net/secret_box.h"
#include "controller/store/store.h"

namespace pgmahout::controller {

class Secrets {
 public:
  Secrets(Store& store, SecretBox box);

  // A fresh password for the replication role, sealed for the cluster `name`.
  absl::StatusOr<std::string> NewReplicationPassword(const std::string& name);
  absl::StatusOr<std::string> OpenReplicationPassword(const std::string& name,
                                                      const std::string& sealed) const;

  // Puts for the login roles of `spec` that have no password yet.
  absl::StatusOr<std::vector<Put>> MissingCredentials(const ClusterSpec& spec);

  // The verifiers of the login roles of `spec`, in its order.
  absl::StatusOr<std::vector<RoleCredential>> Verifiers(const ClusterSpec& spec) const;

  // NotFound if the role has none.
  absl::StatusOr<std::string> Password(const std::string& cluster, const std::string& role) const;

 private:
  Store& store_;
  SecretBox box_;
};

}  // namespace pgmahout::controller
