// SPDX-License-Identifier: Apache-2.0
// Observer: looks at one server: its files, its processes, and what a connection answers.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "agent/core/observation.h"
#include "agent/postgres/disk_probe.h"
#include "agent/postgres/layout.h"
#include "agent/postgres/session.h"
#include "common/base/clock.h"

namespace pgmahout::agent {

// Used by one thread. Remembers only what saves work, and since when a server is silent.
//
// A look opens a connection of its own: only that shows that the server still lets people in. Looks
// that follow each other within 80 ms share one for half a second: they are made while a change of
// the primary waits for them, and starting a backend costs more than all that is asked there.
class Observer {
 public:
  Observer(const Layout& layout, const Clock& clock);

  Observation Look(const Memory& memory, Duration sql_deadline, bool look_for_existing = false);

 private:
  void LookForExisting(const Memory& memory, Observation* seen);
  void LookAtFiles(const std::string& directory, Observation* seen);
  void LookAtServer(const std::string& directory, Duration sql_deadline, Observation* seen);
  std::optional<ControlData> ReadControl(const std::string& directory);
  absl::StatusOr<SqlFacts> Ask(const std::string& directory, BootTime deadline);
  std::optional<absl::StatusOr<SqlFacts>> AskKept(const std::string& directory, BootTime deadline);
  absl::StatusOr<SqlFacts> AskOver(Session& session,
                                   const std::string& directory,
                                   BootTime deadline);
  absl::Status AskSlowly(Session& session, BootTime deadline, SqlFacts* facts);

  struct Kept {
    Session session;
    std::string directory;
    BootTime opened;
  };

  const Layout& layout_;
  const Clock& clock_;
  std::optional<Kept> kept_;
  BootTime asked_;  // when the last look had its answer
  DiskProbe disk_;
  std::optional<BootTime> unresponsive_since_;
  // pg_controldata is a program to start: only when the file has changed.
  std::string control_file_;
  std::optional<ControlData> control_;
  std::optional<ExistingServer> existing_;
  BootTime looked_for_existing_;
  // What is asked every few seconds only.
  BootTime asked_slowly_;
  BootTime marked_;  // when the last marker was written
  std::string slow_config_id_;
  SqlFacts slow_;
};

// "host:port" of the Unix socket, from postmaster.pid (its lines 4 and 5).
struct SocketAddress {
  std::string directory;
  uint16_t port = 0;
};

absl::StatusOr<SocketAddress> SocketOf(const std::string& data_directory);

}  // namespace pgmahout::agent
