// SPDX-License-Identifier: Apache-2.0
// DiskProbe: whether small writes reach the disk. PostgreSQL serves reads from memory for hours on
// a disk that hangs, fails or has become read-only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/core/observation.h"
#include "common/base/clock.h"

namespace pgmahout::agent {

class DiskProbe {
 public:
  // Begins a thread of its own, as a write to a dead disk may never end. The thread outlives the
  // probe in that case; it owns what it uses.
  explicit DiskProbe(const Clock& clock);
  ~DiskProbe();
  DiskProbe(const DiskProbe&) = delete;
  DiskProbe& operator=(const DiskProbe&) = delete;

  // From now on a block is written to a file in each of `directories` and flushed, once a second.
  // Thread-safe; never blocks. An empty list ends it and forgets what was found.
  void Watch(std::vector<std::string> directories);

  // Thread-safe; never blocks.
  DiskHealth Health() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace pgmahout::agent
