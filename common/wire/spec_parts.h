// SPDX-License-Identifier: Apache-2.0
// The parts of reading a spec, one per section. Private to common/wire.
//
// Each fills its part of `spec` as far as it can be read, and adds what is wrong to `violations`.
// `spec->nodes` comes first: other sections count the members or refer to them.
#pragma once

#include <string>

#include "common/model/cluster_spec.h"
#include "common/wire/violations.h"
#include "pgmahout/v1/resource.pb.h"

namespace pgmahout {

void ReadPostgresql(const v1::Postgresql& proto, ClusterSpec* spec, Violations* violations);
void ReadSynchronous(const v1::Synchronous& proto, ClusterSpec* spec, Violations* violations);
void ReadFailover(const v1::Failover& proto, ClusterSpec* spec, Violations* violations);
void ReadDns(const v1::Dns& proto, ClusterSpec* spec, Violations* violations);
void ReadArchive(const v1::Archive& proto, ClusterSpec* spec, Violations* violations);
void ReadDatabases(const v1::ClusterSpec& proto, ClusterSpec* spec, Violations* violations);
void ReadRoles(const v1::ClusterSpec& proto, ClusterSpec* spec, Violations* violations);

// `path` is that of the rule: "spec.postgresql.pgHba[0]".
HbaRule HbaToModel(const v1::HbaRule& proto, const std::string& path, Violations* violations);

}  // namespace pgmahout
