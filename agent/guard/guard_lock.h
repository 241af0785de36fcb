// SPDX-License-Identifier: Apache-2.0
// The lock that a guard holds while it runs, on "<order file>.lock": one guard per order file, and
// the agent can tell whether there is one. The kernel lets go of it when the process ends, however
// it ends. The file holds the pid of the guard that took it last, for people.
//
// An open-file-description lock (fcntl(2)), because it can be asked about without being taken for a
// moment, which would keep a guard that starts just then from getting it.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace pgmahout::guard {

class GuardLock {
 public:
  // FailedPrecondition if another guard holds it.
  static absl::StatusOr<GuardLock> Take(const std::string& order_file);

  ~GuardLock();
  GuardLock(GuardLock&& other) noexcept;
  GuardLock& operator=(GuardLock&&) = delete;
  GuardLock(const GuardLock&) = delete;
  GuardLock& operator=(const GuardLock&) = delete;

 private:
  explicit GuardLock(int fd) : fd_(fd) {}

  int fd_;
};

// True while a guard for `order_file` runs. False also if that cannot be found out: a guard that
// nobody can see must not be counted on. Thread-safe; does not block.
bool GuardIsAlive(const std::string& order_file);

}  // namespace pgmahout::guard
