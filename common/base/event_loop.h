// SPDX-License-Identifier: Apache-2.0
// EventLoop: the one thread that owns a daemon's state. Everyone else posts to it.
//
// Worker: a thread with a queue, for one thing that may block. Both run what they are given in
// order, exactly once.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "common/base/clock.h"

namespace pgmahout {

using Task = absl::AnyInvocable<void()>;

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs `task` on the loop's thread. Thread-safe. Tasks posted after Stop() are dropped.
  void Post(Task task);

  // Like Post, after `delay` at the earliest.
  void After(Duration delay, Task task);

  // Runs `task` on the loop each `period`, until the loop ends.
  void Every(Duration period, absl::AnyInvocable<void()> task);

  // On SIGTERM or SIGINT runs `task` on the loop, once each.
  void OnTermination(Task task);

  // Runs until Stop(). The calling thread becomes the loop's thread.
  void Run();

  // Thread-safe.
  void Stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

class Worker {
 public:
  explicit Worker(const std::string& name);
  // Waits for the task that runs; the queued ones are dropped.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Thread-safe.
  void Post(Task task);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgmahout
