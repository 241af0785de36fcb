// SPDX-License-Identifier: Apache-2.0
// The file of specs that -f names, and telling what is wrong in it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/spec/yaml_loader.h"
#include "controller/cli/session.h"

namespace pgmahout::cli {

// All documents of the file. Every mistake is told on stderr, each with its place.
absl::StatusOr<std::vector<ClusterDocument>> LoadDocuments(Session* session);

// One mistake, on stderr. `hint` may be empty.
void PrintProblem(const std::string& where,
                  const std::string& message,
                  const std::string& hint,
                  Session* session);

// The error of a file in which `problems` mistakes were told.
absl::Status InvalidFile(const std::string& file, size_t problems);

}  // namespace pgmahout::cli
