// SPDX-License-Identifier: Apache-2.0
// Which names are allowed at our borders: nodes, clusters, roles, databases, parameters.
//
// Pure. Each check returns InvalidArgument with what is allowed as its hint.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pgmahout {

// Nodes, clusters, tenants: 1-40 of [a-z0-9-], starting with a letter, not ending with "-". They
// become parts of slot names, file names and certificates.
absl::Status CheckObjectName(absl::string_view kind, absl::string_view name);

// A label of a cluster. The key: 1-63 of letters, digits, "-", "_", ".", "/", beginning and ending
// with a letter or digit; the value: up to 63 bytes without control characters.
absl::Status CheckLabel(absl::string_view key, absl::string_view value);

// A role that a spec may create: 1-63 bytes, no control characters, not "postgres", not "pg_*"
// (PostgreSQL reserves them), not "pgmahout_*" (ours), not "public" or "none".
absl::Status CheckRoleName(absl::string_view name);

// A database that a spec may create: like a role; not "postgres", "template0", "template1".
absl::Status CheckDatabaseName(absl::string_view name);

// A configuration parameter: [a-z_][a-z0-9_.]*, at most 63 bytes.
absl::Status CheckParameterName(absl::string_view name);

// The physical replication slot of `node` on its upstream: "pgmahout_db1". Slot names allow
// [a-z0-9_] only (docs, "Querying and Manipulating Replication Slots"), so "-" becomes "_".
std::string SlotNameOf(absl::string_view node);

}  // namespace pgmahout
