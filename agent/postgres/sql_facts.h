// SPDX-License-Identifier: Apache-2.0
// What a fresh connection is asked. Works on PostgreSQL 14 to 17.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/core/observation.h"
#include "agent/postgres/session.h"

namespace pgmahout::agent {

// All but what AskSlowFacts fills in. Costs a few milliseconds.
absl::StatusOr<SqlFacts> AskFacts(Session& session,
                                  const std::string& data_directory,
                                  BootTime deadline);

// Commits a small transaction of its own on a primary, without waiting for standbys. Returns where
// it ends; by then it is on disk.
absl::StatusOr<Lsn> WriteMarker(Session& session, BootTime deadline);

// config_errors, hba_errors, pending_restart, database_bytes.
absl::Status AskSlowFacts(Session& session, BootTime deadline, SqlFacts* facts);

// The segment that process `pid` replays, if it is the startup process: its title says "startup
// recovering 00000002...". Empty: none. No function tells the timeline that is being replayed
// before PostgreSQL 18.
std::string SegmentOfStartupProcess(const std::string& pid);

}  // namespace pgmahout::agent
