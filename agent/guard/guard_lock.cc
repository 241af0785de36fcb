// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/guard_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"

namespace pgmahout::guard {
namespace {

std::string LockPath(const std::string& order_file) {
  return absl::StrCat(order_file, ".lock");
}

struct flock WholeFile() {
  struct flock lock {};

  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

GuardLock::GuardLock(GuardLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

GuardLock::~GuardLock() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

absl::StatusOr<GuardLock> GuardLock::Take(const std::string& order_file) {
  const std::string path = LockPath(order_file);
  // Readable for all: the agent may be another user.
  GuardLock taken(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (taken.fd_ < 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot open \"", path, "\""));
  }
  struct flock lock = WholeFile();
  if (fcntl(taken.fd_, F_OFD_SETLK, &lock) == 0) {
    const std::string pid = absl::StrCat(getpid(), "\n");
    const bool said = ftruncate(taken.fd_, 0) == 0 &&
                      pwrite(taken.fd_, pid.data(), pid.size(), 0) == ssize_t(pid.size());
    if (!said) {
      return ErrnoStatus(errno, absl::StrCat("cannot write \"", path, "\""));
    }
    return taken;
  }
  if (errno != EAGAIN && errno != EACCES) {
    return ErrnoStatus(errno, absl::StrCat("cannot lock \"", path, "\""));
  }
  return WithHint(absl::FailedPreconditionError(
                      absl::StrCat("another guard runs for order file \"", order_file, "\"")),
                  "Only one guard may run for a node; the other one holds its deadline.");
}

bool GuardIsAlive(const std::string& order_file) {
  const int fd = open(LockPath(order_file).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    return false;
  }
  struct flock lock = WholeFile();
  const bool is_held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  close(fd);
  return is_held;
}

}  // namespace pgmahout::guard
