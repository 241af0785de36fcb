// SPDX-License-Identifier: Apache-2.0
// Ends every process of one server by what /proc says: a process belongs to the server if it works
// in the data directory (the same rule as FindServerProcesses in agent/postgres).
//
// It is a second implementation on purpose. This one must work when memory and disks do not: a
// round allocates nothing and touches no file system but /proc and cgroup.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pgmahout::guard {

// The real path of data directory `path`, proven to be one: absolute, not the root directory, with
// a file PG_VERSION in it. FailedPrecondition otherwise. Reads the disk, so it may hang with it.
absl::StatusOr<std::string> ProveDataDirectory(const std::string& path);

struct KillRound {
  uint64_t found = 0;        // processes of the server at the begin of the round
  uint64_t newly_found = 0;  // of these, those that the round before did not find
  bool used_cgroup = false;
};

// Not thread-safe.
class ServerKiller {
 public:
  // Fails if there is no /proc.
  static absl::StatusOr<std::unique_ptr<ServerKiller>> Open();

  ~ServerKiller();
  ServerKiller(const ServerKiller&) = delete;
  ServerKiller& operator=(const ServerKiller&) = delete;

  // Finds the processes that work in `real_directory` and sends SIGKILL to each; does not wait for
  // their end. This process and those of other users, if it is not root, are not found.
  //
  // `cgroup` is killed as a whole too (cgroup.kill, Linux 5.14) if one of them is a member of it
  // and this process is none, so that a wrong path kills nobody else. Empty: none.
  KillRound Kill(const std::string& real_directory, const std::string& cgroup);

  // Only counts. Also a rehearsal: it brings into memory what a kill needs.
  uint64_t Count(const std::string& real_directory);

 private:
  struct Buffers;

  ServerKiller(int proc_fd, std::unique_ptr<Buffers> buffers);

  bool WorksIn(pid_t pid, absl::string_view real_directory);
  void Collect(absl::string_view real_directory);
  void Signal(pid_t pid, absl::string_view real_directory);
  bool KillCgroup(const std::string& cgroup);
  bool CgroupIsTheServers(int procs_fd);
  bool IsCollected(pid_t pid) const;

  int proc_fd_;  // held open: no descriptor may be left when it counts
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace pgmahout::guard
