// SPDX-License-Identifier: Apache-2.0
// A WAL archive in a directory: push without ever replacing, get without ever delivering half a
// file. One flat directory with PostgreSQL's own names, readable with plain tools.
//
// Blocking; several processes may push and get at the same time, also from several machines.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pgmahout::wal {

// Copies the file `source` into `directory` under its own name. Durable when it returns OK. A file
// of that name with the same content is success, with other content AlreadyExists; but segments are
// compared up to their switch record only (segment_end.h), and of several .partial any will do. A
// placeholder (common/pg/timeline_placeholder.h) is as good as any history, which replaces it.
absl::Status Push(const std::string& directory, const std::string& source);

// Copies the archived file `name` to `destination`, whole or not at all. NotFound is an everyday
// answer: PostgreSQL asks for files that do not exist yet. DataLoss: it is there, but damaged.
absl::Status Get(const std::string& directory,
                 const std::string& name,
                 const std::string& destination);

struct Verification {
  uint64_t files = 0;
  std::vector<std::string> problems;  // gaps and damaged files, one sentence each
};

// Looks at every file, and for gaps within each timeline.
absl::StatusOr<Verification> Verify(const std::string& directory);

}  // namespace pgmahout::wal
