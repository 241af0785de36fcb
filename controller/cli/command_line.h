// SPDX-License-Identifier: Apache-2.0
// The command line of `pgmahout`, read into an Invocation. The only file that knows CLI11.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/cli/invocation.h"

namespace pgmahout::cli {

// `arguments` without the program's name. An invocation whose `verb` is empty has nothing left to
// do: help was printed to `out`. InvalidArgument for anything that cannot be understood.
absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& arguments,
                                            const std::string& default_config,
                                            std::ostream& out);

}  // namespace pgmahout::cli
