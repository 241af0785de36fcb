// SPDX-License-Identifier: Apache-2.0
// StepRun: what every step has at hand while it runs. The steps themselves are functions, grouped
// by what they touch: adopt_steps.cc, configuration_steps.cc, data_steps.cc, sql_steps.cc,
// archive_steps.cc.
//
// A step may be cut short at any moment and be repeated; it returns Cancelled when `cancelled` is
// set meanwhile.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/core/step.h"
#include "agent/postgres/layout.h"
#include "agent/postgres/process_control.h"
#include "agent/postgres/session.h"
#include "common/base/subprocess.h"
#include "common/model/desired_state.h"

namespace pgmahout::agent {

struct StepRun {
  const Layout& layout;
  ProcessControl& control;
  const Step& step;
  const DesiredState& desired;
  const std::atomic<bool>& cancelled;
  const std::function<void(const std::string&)>& progress;

  // The directory the step is about. kInitialize and kBaseBackup make the next one.
  std::string DataDirectory() const { return layout.DataDirectory(step.memory.data_number); }

  absl::StatusOr<std::string> Program(const std::string& name) const;
  absl::StatusOr<ServerPaths> Paths(const std::string& data_directory) const;
  // A program with LC_ALL=C that ends when the step is cancelled.
  Command NewCommand(std::vector<std::string> argv, Duration timeout) const;
  // A superuser session on the server that runs in DataDirectory().
  absl::StatusOr<Session> Connect(const std::string& database, BootTime deadline) const;
  // How a member is reached by the replication role; as libpq's words and as its string.
  ConnectionWords Words(const Member& member, const std::string& application_name) const;
  std::string Conninfo(const Member& member, const std::string& application_name) const;
};

// Files a server or a tool needs before it can run: directories, TLS, the password file.
absl::Status PrepareSupportFiles(const StepRun& run);

// pgmahout.conf and pg_hba.conf: checked, written, loaded, verified; put back if PostgreSQL finds
// errors in them.
absl::Status Configure(const StepRun& run);
// Takes parameters of ours out of the postgresql.auto.conf of a server that is down.
absl::Status StripAutoConf(const std::string& data_directory);

// A name below data_root for the directory of a server that runs; its files that will be replaced
// are kept beside them.
absl::Status Adopt(const StepRun& run);
// The way back: the files that were kept, and a configuration that needs nobody. A running server
// loads both.
absl::Status LetGo(const StepRun& run);
// Reloads the running server and waits until it has loaded the configuration of that id.
absl::Status ReloadAndWait(const StepRun& run, const std::string& config_id);

absl::Status Initialize(const StepRun& run);
absl::Status BaseBackup(const StepRun& run);
absl::Status Rewind(const StepRun& run);
absl::Status MarkStandby(const StepRun& run);
absl::Status MarkVoter(const StepRun& run);
absl::Status RemoveOldData(const StepRun& run);

absl::Status StartServer(const StepRun& run);
// Fast shutdown; SIGKILL after step.kill_after.
absl::Status StopServer(const StepRun& run, const std::string& data_directory);

absl::Status Promote(const StepRun& run);
absl::Status Checkpoint(const StepRun& run);
absl::Status EnsureSlots(const StepRun& run);
absl::Status EnsureRoles(const StepRun& run);
absl::Status BackfillArchive(const StepRun& run);

}  // namespace pgmahout::agent
