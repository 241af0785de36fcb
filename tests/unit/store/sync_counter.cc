// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/sync_counter.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace {

std::atomic<int> sync_count{0};
std::atomic<bool> syncs_fail{false};
std::atomic<bool> syncs_skipped{false};

int Sync(long number, int fd) {
  ++sync_count;
  if (syncs_fail) {
    errno = EIO;
    return -1;
  }
  return syncs_skipped ? 0 : static_cast<int>(syscall(number, fd));
}

}  // namespace

// The program's own definitions win over libc's, also for calls out of libsqlite3.
extern "C" int fsync(int fd) {
  return Sync(SYS_fsync, fd);
}

extern "C" int fdatasync(int fd) {
  return Sync(SYS_fdatasync, fd);
}

namespace pgmahout::controller {

int SyncCount() {
  return sync_count;
}

void FailSyncs(bool fail) {
  syncs_fail = fail;
}

void SkipSyncs(bool skip) {
  syncs_skipped = skip;
}

}  // namespace pgmahout::controller
