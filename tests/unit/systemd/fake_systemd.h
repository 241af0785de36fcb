// SPDX-License-Identifier: Apache-2.0
// FakeSystemd: answers org.freedesktop.systemd1 on a private connection, with real sd-bus on both
// ends. It runs in a thread of its own and remembers what it was asked.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
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

  // Called in its thread for each StartUnit, before the answer. Set it before the first call.
  void OnStart(std::function<void()> hook) { on_start_ = std::move(hook); }

  // For the bus callbacks.
  void Remember(const std::string& call);

  Start start() const { return start_; }

 private:
  void Serve(int fd);

  const Start start_;
  std::function<void()> on_start_;
  std::mutex mutex_;
  std::vector<std::string> calls_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace pgmahout::agent
