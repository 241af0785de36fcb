// SPDX-License-Identifier: Apache-2.0
// One owner per store: a flock on a file beside it, which tells who holds it.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace pgmahout::controller {

// Held until destroyed or until the process is gone, however it ended. The lock file stays: to
// remove it would let two owners in.
class StoreLock {
 public:
  // Never waits. FailedPrecondition, naming the owner's pid, if the lock is held, by this process
  // included.
  static absl::StatusOr<StoreLock> Take(const std::string& lock_path);

  StoreLock(StoreLock&& other) noexcept;
  StoreLock& operator=(StoreLock&&) = delete;
  ~StoreLock();

 private:
  explicit StoreLock(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace pgmahout::controller
