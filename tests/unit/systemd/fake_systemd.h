// SPDX-License-Identifier: Apache-2.0
// FakeSystemd: answers org.freedesktop.systemd1 on a private connection, with real sd-bus on both
// ends. It runs in a thread of its own and remembers what it was asked.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/systemd/sd_bus_control.h"

struct sd_bus;

namespace pgmahout::agent {

class FakeSystemd {
 public:
  // How a start goes.
  enum class Start { kDone, kFailed, kAccessDenied, kSignalBeforeReply, kGoesOn };

  explicit FakeSystemd(Start start);
  ~FakeSystemd();

  // Each connection gets a thread that serves it until it is closed.
  BusOpener Opener();

  std::vector<std::string> Calls();

  // For the bus callbacks.
  void Remember(const std::string& call);

  Start start() const { return start_; }

 private:
  void Serve(int fd);

  const Start start_;
  std::mutex mutex_;
  std::vector<std::string> calls_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace pgmahout::agent
