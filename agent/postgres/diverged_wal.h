// SPDX-License-Identifier: Apache-2.0
// DivergedWal: what a node had that the cluster's new timeline does not have. It is kept before
// anything destroys it, and its range is written down, so that a person is told what was lost.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "agent/postgres/step_run.h"
#include "common/model/report.h"

namespace pgmahout::agent {

// Copies segments of the stopped server in `directory` that may hold what the new timeline does not
// have, and writes their range down, durably; for the epoch of the step. Called again it does
// nothing: a rewind that was cut short has changed the files.
absl::Status KeepDivergedWal(const StepRun& run, const std::string& directory);

// The same for a server whose WAL ends before the new timeline begins: nothing was lost.
absl::Status RecordNothingLost(const StepRun& run);

// Once it is known where the two histories parted. Nothing is changed if that was known before.
absl::Status RecordFork(const StepRun& run, Lsn fork);

// What was written down for `epoch`; nothing if nothing was, or it cannot be read.
std::optional<DivergedWal> ReadDivergedWal(const Layout& layout, uint64_t epoch);

// Where each timeline in the history of `timeline` ended, as the server in `data_directory` knows.
std::map<uint32_t, Lsn> EndsOfTimelines(const std::string& data_directory, uint32_t timeline);

}  // namespace pgmahout::agent
