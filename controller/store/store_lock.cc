// SPDX-License-Identifier: Apache-2.0
#include "controller/store/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"

namespace pgmahout::controller {
namespace {

// What the owner wrote into the lock file; empty while it has not done so yet.
std::string OwnerPid(int fd) {
  char text[32];
  const ssize_t size = pread(fd, text, sizeof text, 0);
  if (size <= 0) {
    return "";
  }
  return std::string(
      absl::StripAsciiWhitespace(absl::string_view(text, static_cast<size_t>(size))));
}

absl::Status HeldByAnother(int fd, const std::string& lock_path) {
  const std::string pid = OwnerPid(fd);
  const std::string owner = pid.empty() ? "another process" : absl::StrCat("process ", pid);
  return WithInfo(
      absl::FailedPreconditionError(absl::StrCat("store is in use by ", owner)),
      ErrorInfo{"store-in-use", absl::StrCat("The lock on \"", lock_path, "\" is held."),
                "Only one controller may open a store. Stop the other one, or give this one a "
                "store of its own."});
}

absl::Status WritePid(int fd, const std::string& lock_path) {
  const std::string text = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, text.data(), text.size(), 0) < 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot write \"", lock_path, "\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StoreLock> StoreLock::Take(const std::string& lock_path) {
  // Close-on-exec, because a flock lives as long as any copy of the descriptor.
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return WithHint(ErrnoStatus(errno, absl::StrCat("cannot open \"", lock_path, "\"")),
                    "The store's directory must exist and belong to the controller's user.");
  }
  StoreLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return HeldByAnother(fd, lock_path);
    }
    return ErrnoStatus(errno, absl::StrCat("cannot lock \"", lock_path, "\""));
  }
  if (absl::Status written = WritePid(fd, lock_path); !written.ok()) {
    return written;
  }
  return lock;
}

StoreLock::StoreLock(StoreLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

StoreLock::~StoreLock() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

}  // namespace pgmahout::controller
