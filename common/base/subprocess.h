// SPDX-License-Identifier: Apache-2.0
// Run a program by argv (never a shell string), with a deadline, and collect what it printed.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"

namespace pgmahout {

struct Command {
  std::vector<std::string> argv;  // argv[0] is the program's path; PATH is not searched
  // Added to the inherited environment; wins over it. Never a secret: other users may read it.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string directory;     // working directory; empty keeps ours
  Duration timeout{30'000};  // then SIGKILL to the process group
  // Set by another thread to end the program with SIGKILL; looked at every 20 ms. May be null.
  const std::atomic<bool>* cancelled = nullptr;
  // Called on the caller's thread with each chunk of stderr, for progress. May be empty.
  absl::AnyInvocable<void(absl::string_view)> on_stderr;
};

struct CommandResult {
  int exit_code = 0;  // 128 + signal number if a signal ended it
  std::string out;    // both limited to their last 1 MiB
  std::string err;
};

// Blocks until the program ended; the program dies with the calling thread (PR_SET_PDEATHSIG), so a
// killed agent leaves no half-done job running. Errors: NotFound (cannot execute), DeadlineExceeded
// or Cancelled (killed; its outcome is unknown). A non-zero exit code is not an error here.
absl::StatusOr<CommandResult> RunCommand(Command command);

// RunCommand, and a non-zero exit code is Internal with the last lines of stderr as detail.
absl::StatusOr<CommandResult> RunCommandOrFail(Command command);

}  // namespace pgmahout
