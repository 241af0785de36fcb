// SPDX-License-Identifier: Apache-2.0
// WAL that a standby has flushed, and confirmed, but would not read after a crash.
//
// A standby receives the first segment of a new timeline from the segment's beginning, although it
// has the part before the fork in the old timeline's file. Until it has received that part again
// and flushed it, the new file is the shorter one; PostgreSQL reads the file of the newest timeline
// that it finds (xlogrecovery.c, XLogFileReadAnyTLI) and takes where that ends for the end of WAL.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace pgmahout::agent {

// Before the server of `data_directory` starts: such a file gets another name ("<name>.short"), so
// that the longer one is read. Nothing is removed.
absl::Status UncoverWal(const std::string& data_directory);

}  // namespace pgmahout::agent
