// SPDX-License-Identifier: Apache-2.0
// Instance: all the agent asks of the PostgreSQL server on this VM. One function per step of
// agent/core/step.h, plus looking and watching; it decides nothing.
//
// All functions block, with deadlines, and may be called from any thread, but only one step at a
// time. Kill() and WatchPostmaster() may be called while a step runs.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/core/observation.h"
#include "agent/core/step.h"
#include "agent/postgres/debian_cluster.h"
#include "common/base/clock.h"
#include "common/model/desired_state.h"

namespace pgmahout::agent {

// Where things are on this VM. Paths are absolute.
struct InstanceConfig {
  std::string node;
  std::string address;
  std::string data_root;  // holds pgdata.<n>, run/ (unix socket), log/, tls/, replication.pass
  std::map<uint32_t, std::string> bin_directories;  // by major version
  std::string wal_program;                          // pgmahout-wal
  std::string certificate_file, key_file, ca_file;  // of this node; copied for ssl=on
  // As postgresql-common has it. Without: below data_root, and configuration in the data directory.
  std::optional<DebianCluster> debian_cluster;
  std::string config_directory, socket_directory, log_directory;  // with debian_cluster
  // The data directory of a server that may be adopted; with debian_cluster its configuration
  // names it. Empty: none.
  std::string existing_data{};
  std::string state_dir{};  // what a step that outlives the agent leaves for the next one
};

class Instance {
 public:
  virtual ~Instance() = default;

  // The data directory that `memory` names. Absolute; of one that was adopted, where it really is.
  virtual std::string DataDirectory(const Memory& memory) const = 0;

  // Looks at files, processes and, through a fresh connection with `sql_deadline`, at the server.
  virtual Observation Observe(const Memory& memory, Duration sql_deadline) = 0;

  // Whether Observe() shall look for a server that is not pgmahout's, too.
  virtual void LookForExisting(bool wanted) = 0;

  // Blocks until the postmaster that runs now has ended, or `timeout` is over. True: it ended, or
  // none runs. Uses a pidfd, so it notices within a millisecond.
  virtual bool WaitForPostmasterEnd(Duration timeout) = 0;

  // Carries out `step`. `progress` gets short texts ("base backup 42%"); it may be called from
  // another thread.
  virtual absl::Status Run(const Step& step,
                           const DesiredState& desired,
                           const std::function<void(const std::string&)>& progress) = 0;

  // SIGKILL to every PostgreSQL process of the current data directory, until none is left or
  // `timeout` is over (DeadlineExceeded). Interrupts a running step.
  virtual absl::Status Kill(Duration timeout) = 0;

  // Aborts the step that runs (its children are killed); it returns Cancelled.
  virtual void CancelStep() = 0;
};

}  // namespace pgmahout::agent
