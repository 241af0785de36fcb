// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/disk_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/error.h"

namespace pgmahout::agent {
namespace {

constexpr std::chrono::milliseconds kPeriod{1'000};
constexpr size_t kBlockBytes = 4096;
constexpr absl::string_view kFileName = "pgmahout.probe";

// 0, or the errno of what failed.
int WriteBlock(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return errno;
  }
  static constexpr std::array<char, kBlockBytes> kBlock{};
  int error = 0;
  if (pwrite(fd, kBlock.data(), kBlock.size(), 0) != static_cast<ssize_t>(kBlock.size())) {
    error = errno != 0 ? errno : ENOSPC;
  } else if (fdatasync(fd) != 0) {
    error = errno;
  }
  close(fd);
  return error;
}

}  // namespace

struct DiskProbe::State {
  explicit State(const Clock& the_clock) : clock(the_clock) {}

  const Clock& clock;
  mutable std::mutex mutex;
  std::condition_variable wake;
  bool ends = false;
  std::vector<std::string> directories;
  DiskHealth health;

  void Run() {
    std::unique_lock lock(mutex);
    while (!ends) {
      if (!directories.empty()) {
        ProbeAll(lock);
      }
      wake.wait_for(lock, kPeriod, [this] { return ends; });
    }
  }

  // Called with the lock held, which is given up while the disk is written to.
  void ProbeAll(std::unique_lock<std::mutex>& lock) {
    const std::vector<std::string> targets = directories;
    health.waits_since = clock.Now();
    lock.unlock();
    DiskHealth found;
    for (const std::string& directory : targets) {
      errno = 0;
      if (const int error = WriteBlock(absl::StrCat(directory, "/", kFileName)); error != 0) {
        found.error = std::string(
            ErrnoStatus(error, absl::StrCat("cannot write to \"", directory, "\"")).message());
        found.full = error == ENOSPC || error == EDQUOT;
        break;
      }
    }
    lock.lock();
    health = targets == directories ? found : DiskHealth{};
  }
};

DiskProbe::DiskProbe(const Clock& clock) : state_(std::make_shared<State>(clock)) {
  std::thread([state = state_] { state->Run(); }).detach();
}

DiskProbe::~DiskProbe() {
  const std::lock_guard lock(state_->mutex);
  state_->ends = true;
  state_->wake.notify_all();
}

void DiskProbe::Watch(std::vector<std::string> directories) {
  const std::lock_guard lock(state_->mutex);
  if (directories != state_->directories) {
    state_->directories = std::move(directories);
    state_->health = DiskHealth{};
  }
}

DiskHealth DiskProbe::Health() const {
  const std::lock_guard lock(state_->mutex);
  return state_->health;
}

}  // namespace pgmahout::agent
