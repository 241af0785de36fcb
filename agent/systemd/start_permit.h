// SPDX-License-Identifier: Apache-2.0
// Marks in the file system by which systemd's start-gate (systemd/start-gate) tells a start that
// the agent wants from any other. Directories that are not there are no error: then there is no
// gate either.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/base/event_loop.h"

namespace pgmahout::agent {

// Holds a file per unit that pgmahout manages; survives reboots.
inline constexpr char kManagedDirectory[] = "/var/lib/pgmahout/managed";
// Holds a file per unit that may be started now.
inline constexpr char kStartingDirectory[] = "/run/pgmahout/starting";

// While it lives, `unit` may be started.
class StartPermit {
 public:
  StartPermit(const std::string& directory, const std::string& unit);
  ~StartPermit();
  StartPermit(const StartPermit&) = delete;
  StartPermit& operator=(const StartPermit&) = delete;

  // What kept the permit from being given; OK if there is no gate.
  const absl::Status& status() const { return status_; }

 private:
  const std::string path_;
  absl::Status status_;
};

// Keeps the mark that `unit` is managed. Used on one thread; the disk is touched by another.
class ManagedMark {
 public:
  ManagedMark(const std::string& directory, const std::string& unit);

  // Makes or removes the mark if `managed` is news. A failure is logged.
  void Set(bool managed);

 private:
  const std::string path_;
  bool known_ = false;
  bool managed_ = false;
  Worker worker_{"managed"};
};

}  // namespace pgmahout::agent
