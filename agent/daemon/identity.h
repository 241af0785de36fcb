// SPDX-License-Identifier: Apache-2.0
// Who this agent is: its certificate, its state directory's id, and that only one agent uses it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/link/enroll.h"
#include "common/base/event_loop.h"

namespace pgmahout::agent {

// Held as long as this process lives; the kernel frees it with the process.
class StateLock {
 public:
  explicit StateLock(int fd) : fd_(fd) {}

  StateLock(StateLock&& other) noexcept;
  StateLock& operator=(StateLock&&) = delete;
  ~StateLock();

 private:
  int fd_;
};

// FailedPrecondition if another agent uses `state_dir`.
absl::StatusOr<StateLock> LockState(const std::string& state_dir);

// Joins with the token in `token_file` unless there is a certificate already, which is checked.
// While the controller cannot be reached it tries again; any other refusal is returned.
absl::Status EnsureIdentity(const EnrollConfig& config, const std::string& token_file);

// A random id, made once per state directory: two agents with one id are a cloned disk.
absl::StatusOr<std::string> LoadStateId(const std::string& state_dir);

// Renews the certificate once a third of its life is left; looks every hour. A failure is logged
// and tried again.
void KeepIdentityFresh(EventLoop& loop, const EnrollConfig& config);

}  // namespace pgmahout::agent
