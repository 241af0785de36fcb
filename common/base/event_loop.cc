// SPDX-License-Identifier: Apache-2.0
#include "common/base/event_loop.h"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace pgmahout {

namespace asio = boost::asio;

struct EventLoop::Impl {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  asio::signal_set signals{context};
};

EventLoop::EventLoop() : impl_(std::make_shared<Impl>()) {}

EventLoop::~EventLoop() = default;

void EventLoop::Post(Task task) {
  asio::post(impl_->context, [task = std::move(task)]() mutable { task(); });
}

void EventLoop::After(Duration delay, Task task) {
  auto timer = std::make_shared<asio::steady_timer>(impl_->context, delay);
  timer->async_wait(
      [timer, task = std::move(task)](const boost::system::error_code& error) mutable {
        if (!error) {
          task();
        }
      });
}

namespace {

struct Repeating {
  asio::steady_timer timer;
  Duration period;
  Task task;
};

void Arm(const std::shared_ptr<Repeating>& repeating) {
  repeating->timer.expires_after(repeating->period);
  repeating->timer.async_wait([repeating](const boost::system::error_code& error) {
    if (!error) {
      repeating->task();
      Arm(repeating);
    }
  });
}

}  // namespace

void EventLoop::Every(Duration period, absl::AnyInvocable<void()> task) {
  Arm(std::make_shared<Repeating>(
      Repeating{asio::steady_timer(impl_->context), period, std::move(task)}));
}

void EventLoop::OnTermination(Task task) {
  impl_->signals.add(SIGTERM);
  impl_->signals.add(SIGINT);
  impl_->signals.async_wait(
      [task = std::move(task)](const boost::system::error_code& error, int /*signal*/) mutable {
        if (!error) {
          task();
        }
      });
}

void EventLoop::Run() {
  impl_->context.run();
}

void EventLoop::Stop() {
  impl_->context.stop();
}

struct Worker::Impl {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Task> queue;
  bool stopping = false;
  std::thread thread;

  void Run() {
    while (true) {
      std::unique_lock lock(mutex);
      wake.wait(lock, [this] { return stopping || !queue.empty(); });
      if (stopping) {
        return;
      }
      Task task = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      task();
    }
  }
};

Worker::Worker(const std::string& name) : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
  pthread_setname_np(impl_->thread.native_handle(), name.substr(0, 15).c_str());
}

Worker::~Worker() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

void Worker::Post(Task task) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->queue.push_back(std::move(task));
  }
  impl_->wake.notify_one();
}

}  // namespace pgmahout
