// SPDX-License-Identifier: Apache-2.0
// The store thread: commits that nobody waits for. What queues up while one fsync runs shares the
// next one.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "controller/store/store.h"

namespace pgmahout::controller {

class AsyncStore {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `store` must outlive this. Read from it directly, on any thread.
  explicit AsyncStore(Store& store);

  AsyncStore(const AsyncStore&) = delete;
  AsyncStore& operator=(const AsyncStore&) = delete;

  // Commits what is queued, calls every `done`, and ends the thread. Not from within `done`.
  ~AsyncStore();

  // Any thread; returns at once. Transactions are committed in the order of the calls. `done` is
  // called exactly once, in the same order, on the store thread, with what Store::Commit would
  // return: OK means durable. It should only post the answer, since all commits wait for it; it
  // may call Commit.
  void Commit(Transaction transaction, Done done);

 private:
  void Run();

  Store& store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Transaction> transactions_;  // guarded by mutex_, as the two below
  std::deque<Done> dones_;                // one for each transaction
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace pgmahout::controller
