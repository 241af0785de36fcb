// SPDX-License-Identifier: Apache-2.0
// What differs between two specs, for people who want to know before they apply one.
#pragma once

#include <string>
#include <vector>

#include "common/model/cluster_spec.h"

namespace pgmahout {

struct SpecChange {
  std::string path;     // "spec.postgresql.port", "spec.roles[orders_app].login"
  std::string message;  // "5432 -> 5433", "added: true", "removed: 10s"

  friend bool operator==(const SpecChange&, const SpecChange&) = default;
};

// In the order of the spec; empty when both mean the same, defaults filled in. Databases and roles
// are told apart by name, client rules by position. Pure.
std::vector<SpecChange> DiffSpecs(const ClusterSpec& before, const ClusterSpec& after);

}  // namespace pgmahout
