// SPDX-License-Identifier: Apache-2.0
// The exit codes of `pgmahout`: a contract with scripts (docs/cli.md).
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pgmahout::cli {

enum class ExitCode {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,  // wrong arguments, or a spec that is wrong
  kNotFound = 3,
  kDeclined = 4,      // the person did not confirm
  kPrecondition = 5,  // the world must change first; the error lists what
  kTimedOut = 6,      // still running; the outcome is not known yet
  kUnreachable = 7,   // or not allowed
};

ExitCode ExitCodeOf(const absl::Status& status);

// An error that ExitCodeOf turns into kDeclined.
absl::Status DeclinedError(absl::string_view message, absl::string_view hint);

}  // namespace pgmahout::cli
