// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/privileges.h"

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "common/base/error.h"

namespace pgmahout::guard {
namespace {

constexpr size_t kSpareHeap = 256 << 10;
constexpr size_t kSpareStack = 64 << 10;
constexpr int kNice = -20;

// Touched pages stay: what is freed here is what later small allocations get.
void ReserveHeap() {
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(2 * kSpareHeap));
  void* spare = std::malloc(kSpareHeap);  // NOLINT(cppcoreguidelines-no-malloc): for malloc's sake
  if (spare != nullptr) {
    std::memset(spare, 1, kSpareHeap);
    // The compiler may not drop what nobody reads.
    __asm__ volatile("" : : "r"(spare) : "memory");
    std::free(spare);
  }
}

void TouchStack() {
  char spare[kSpareStack];
  std::memset(spare, 1, sizeof spare);
  __asm__ volatile("" : : "r"(spare) : "memory");
}

absl::Status LockMemory() {
  // Not MCL_FUTURE: under a small RLIMIT_MEMLOCK it would make a later allocation fail.
  return mlockall(MCL_CURRENT) == 0 ? absl::OkStatus()
                                    : ErrnoStatus(errno, "cannot lock the guard's memory");
}

absl::Status RaisePriority() {
  sched_param parameters{};
  parameters.sched_priority = sched_get_priority_min(SCHED_FIFO);
  if (sched_setscheduler(0, SCHED_FIFO, &parameters) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  return setpriority(PRIO_PROCESS, 0, kNice) == 0
             ? absl::OkStatus()
             : ErrnoStatus(error, "cannot get a real-time priority nor a low nice value");
}

absl::Status LeaveOomKiller() {
  constexpr char kNever[] = "-1000";
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  const bool done = fd >= 0 && write(fd, kNever, sizeof kNever - 1) > 0;
  const int error = errno;
  if (fd >= 0) {
    close(fd);
  }
  return done ? absl::OkStatus() : ErrnoStatus(error, "cannot be exempt from the OOM killer");
}

}  // namespace

std::vector<absl::Status> TakePrivileges() {
  ReserveHeap();
  TouchStack();
  std::vector<absl::Status> refused;
  for (const absl::Status& status : {LockMemory(), RaisePriority(), LeaveOomKiller()}) {
    if (!status.ok()) {
      refused.push_back(status);
    }
  }
  return refused;
}

}  // namespace pgmahout::guard
