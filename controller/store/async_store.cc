// SPDX-License-Identifier: Apache-2.0
#include "controller/store/async_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/check.h"

namespace pgmahout::controller {
namespace {

// Bounds how long the first of a group waits for the last.
constexpr size_t kMaxGroup = 256;

template <typename T>
std::vector<T> TakeFront(std::deque<T>& queue, size_t count) {
  const auto end = queue.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<T> taken(std::make_move_iterator(queue.begin()), std::make_move_iterator(end));
  queue.erase(queue.begin(), end);
  return taken;
}

}  // namespace

AsyncStore::AsyncStore(Store& store) : store_(store), thread_([this] { Run(); }) {}

AsyncStore::~AsyncStore() {
  PGM_CHECK(std::this_thread::get_id() != thread_.get_id());
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void AsyncStore::Commit(Transaction transaction, Done done) {
  {
    const std::lock_guard lock(mutex_);
    transactions_.push_back(std::move(transaction));
    dones_.push_back(std::move(done));
  }
  changed_.notify_one();
}

void AsyncStore::Run() {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || !transactions_.empty(); });
    if (transactions_.empty()) {
      return;
    }
    const size_t count = std::min(transactions_.size(), kMaxGroup);
    const std::vector<Transaction> group = TakeFront(transactions_, count);
    std::vector<Done> dones = TakeFront(dones_, count);
    lock.unlock();
    const std::vector<absl::Status> statuses = store_.CommitGroup(group);
    PGM_CHECK(statuses.size() == count);
    for (size_t i = 0; i < count; ++i) {
      dones[i](statuses[i]);
    }
  }
}

}  // namespace pgmahout::controller
