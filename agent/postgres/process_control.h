// SPDX-License-Identifier: Apache-2.0
// ProcessControl: starts, stops and finds the PostgreSQL server of one data directory. Two
// implementations: the agent supervises the postmaster itself (direct), or systemd does.
//
// Blocking, thread-safe. In both the server outlives the agent: an agent that restarts finds it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"

namespace pgmahout::agent {

struct ServerPaths {
  std::string bin_directory;
  std::string data_directory;
  std::string log_file;  // what the postmaster prints before its own log is open
};

class ProcessControl {
 public:
  virtual ~ProcessControl() = default;

  // Starts the postmaster; returns once it runs, not once it answers. FailedPrecondition with the
  // end of its log if it ends again at once.
  virtual absl::Status Start(const ServerPaths& paths) = 0;

  // Asks for a fast shutdown and returns at once.
  virtual absl::Status RequestStop(const ServerPaths& paths) = 0;

  // Makes the programs of a major version appear; blocks, for minutes if need be. Where nobody can,
  // FailedPrecondition says what a person should install.
  virtual absl::Status InstallServer(uint32_t major) = 0;

  // SIGKILL to every process of the server, until none is left; DeadlineExceeded if some are.
  virtual absl::Status Kill(const ServerPaths& paths, Duration timeout) = 0;
};

// All processes of this user that work in `data_directory`: the postmaster and its children change
// into it and stay there. Left out are zombies, which hold nothing any more, and what a tool that
// this agent runs has started there.
std::vector<pid_t> FindServerProcesses(const std::string& data_directory);

// The live postmaster of `data_directory`: named by postmaster.pid and working there. 0: none.
pid_t FindPostmaster(const std::string& data_directory);

// The word of postmaster `pid` in its lock file: "starting", "ready", "standby". Empty before it
// listens, and if the file is another's.
std::string StatusInLockFile(const std::string& data_directory, pid_t pid);

// Removes `lock_file`, the server's postmaster.pid or that of its socket, if it is empty (or
// nothing but zeros) and no process works in `data_directory`; Unavailable if one does. PostgreSQL
// makes the file empty and writes to it right after: a server that was killed in between, or a VM
// that lost power, leaves it so, and then no server starts any more, as the file may be that of one
// that is starting (miscinit.c, CreateLockFile). Nobody can take the file in between, because it
// exists.
absl::Status RemoveEmptyLockFile(const std::string& data_directory, const std::string& lock_file);

// SIGKILL to all of them until none is left.
absl::Status KillServerProcesses(const std::string& data_directory, Duration timeout);

// True when process `pid` has ended or `timeout` is over; tells which.
bool WaitForEnd(pid_t pid, Duration timeout);

std::unique_ptr<ProcessControl> MakeDirectControl();

}  // namespace pgmahout::agent
