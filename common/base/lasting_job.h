// SPDX-License-Identifier: Apache-2.0
// LastingJob: a program that goes on when the process that started it ends, and whose outcome the
// next one still learns. So the base backup of a terabyte outlives a restart or an upgrade of its
// agent.
//
// On disk, both private:
//   <path>.job  which command it is, its process group and, once it has ended, its exit code.
//               Locked by flock(2) while any of its processes lives, so that no process id has to
//               be believed. Not on NFS, where a lock does not go on to children.
//   <path>.log  what it printed; locked while somebody waits for it. Never cut: for programs that
//               print little.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"

namespace pgmahout {

struct LastingCommand {
  std::vector<std::string> argv;  // argv[0] is the program's path; PATH is not searched
  // Added to the inherited environment; wins over it. Never a secret: other users may read it.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string path;     // absolute, for the files above; one job at a time for each
  std::string purpose;  // a job is only found again for the same one: "epoch 4"
  // It is killed when nobody has waited for it for so long: whom it was for may be gone for good.
  // When its job file is removed, at once.
  Duration patience{3'600'000};
};

// How Wait() is told to give up, and tells how it goes.
struct JobWatch {
  Duration timeout{0};                           // then SIGKILL
  const std::atomic<bool>* cancelled = nullptr;  // set: SIGKILL. Looked at every 50 ms
  // Gets each piece that was printed, from the very first on. May be empty.
  absl::AnyInvocable<void(absl::string_view)> on_output;
};

// All functions block; one thread at a time for each path.
class LastingJob {
 public:
  // Starts `command` in a session of its own. AlreadyExists if there is a job for that path that
  // End() has not been called for.
  static absl::StatusOr<LastingJob> Start(const LastingCommand& command);

  // The job for the very same command that runs, or that has ended with an exit code.
  static std::optional<LastingJob> Find(const LastingCommand& command);

  // Ends whatever job runs for `path` with SIGKILL and forgets it, durably; fine if there is none.
  // DeadlineExceeded if it does not die.
  static absl::Status End(const std::string& path);

  // Waits for the end. OK: exit code 0. Internal with the last lines of the log: another code, or
  // an end that nobody saw. DeadlineExceeded, Cancelled: it was ended and forgotten.
  absl::Status Wait(JobWatch watch) const;

 private:
  explicit LastingJob(const LastingCommand& command)
      : path_(command.path), program_(command.argv.front()) {}

  absl::Status GiveUp(const JobWatch& watch) const;
  absl::Status Outcome() const;

  std::string path_;
  std::string program_;
};

}  // namespace pgmahout
