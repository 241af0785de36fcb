// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/server_killer.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"

namespace pgmahout::guard {
namespace {

constexpr size_t kMaxProcesses = 16384;  // what lies above is found in the next round
constexpr char kDataDirectoryHint[] =
    "The order must name the data directory of a PostgreSQL server. Nothing was killed.";

// A number as a C string, and "NUMBER/cwd", without the heap.
class CwdName {
 public:
  explicit CwdName(pid_t pid) {
    const auto end = std::to_chars(text_.data(), text_.data() + kDigits, pid);
    std::memcpy(end.ptr, "/cwd", sizeof "/cwd");
  }

  const char* c_str() const { return text_.data(); }

 private:
  static constexpr size_t kDigits = 12;
  std::array<char, kDigits + sizeof "/cwd"> text_{};
};

// 0 for names that are no numbers.
pid_t ParsePid(const char* name) {
  pid_t pid = 0;
  const char* end = name + std::strlen(name);
  const auto parsed = std::from_chars(name, end, pid);
  return parsed.ec == std::errc() && parsed.ptr == end ? pid : 0;
}

absl::Status Refuse(const std::string& path, absl::string_view why) {
  return WithHint(absl::FailedPreconditionError(absl::StrCat("cannot guard \"", path, "\": ", why)),
                  kDataDirectoryHint);
}

}  // namespace

absl::StatusOr<std::string> ProveDataDirectory(const std::string& path) {
  if (path.empty() || path[0] != '/') {
    return Refuse(path, "not an absolute path");
  }
  std::array<char, PATH_MAX> real{};
  if (realpath(path.c_str(), real.data()) == nullptr) {
    return Annotate(WithHint(ErrnoStatus(errno, "no such data directory"), kDataDirectoryHint),
                    absl::StrCat("cannot guard \"", path, "\""));
  }
  if (std::strcmp(real.data(), "/") == 0) {
    return Refuse(path, "it is the root directory");
  }

  struct stat info {};

  if (stat(absl::StrCat(real.data(), "/PG_VERSION").c_str(), &info) != 0 ||
      !S_ISREG(info.st_mode)) {
    return Refuse(path, "no PG_VERSION in it");
  }
  return std::string(real.data());
}

struct ServerKiller::Buffers {
  alignas(dirent64) std::array<char, 32 << 10> entries{};
  std::array<char, PATH_MAX> target{};
  std::array<char, 4096> procs{};
  // Ascending, as /proc lists them.
  std::array<pid_t, kMaxProcesses> collected{};
  size_t collected_count = 0;
  std::array<pid_t, kMaxProcesses> before{};
  size_t before_count = 0;
};

absl::StatusOr<std::unique_ptr<ServerKiller>> ServerKiller::Open() {
  const int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc_fd < 0) {
    return ErrnoStatus(errno, "cannot open \"/proc\", where processes are found");
  }
  return std::unique_ptr<ServerKiller>(new ServerKiller(proc_fd, std::make_unique<Buffers>()));
}

ServerKiller::ServerKiller(int proc_fd, std::unique_ptr<Buffers> buffers)
    : proc_fd_(proc_fd), buffers_(std::move(buffers)) {}

ServerKiller::~ServerKiller() {
  close(proc_fd_);
}

// A zombie has no working directory any more, so this is false for it.
bool ServerKiller::WorksIn(pid_t pid, absl::string_view real_directory) {
  auto& target = buffers_->target;
  const ssize_t length = readlinkat(proc_fd_, CwdName(pid).c_str(), target.data(), target.size());
  return length > 0 && absl::string_view(target.data(), length) == real_directory;
}

void ServerKiller::Collect(absl::string_view real_directory) {
  auto& to = *buffers_;
  to.collected_count = 0;
  lseek(proc_fd_, 0, SEEK_SET);
  while (to.collected_count < kMaxProcesses) {
    const ssize_t bytes = getdents64(proc_fd_, to.entries.data(), to.entries.size());
    if (bytes <= 0) {
      return;
    }
    for (ssize_t at = 0; at < bytes && to.collected_count < kMaxProcesses;) {
      const auto* entry = reinterpret_cast<const dirent64*>(to.entries.data() + at);
      at += entry->d_reclen;
      const pid_t pid = ParsePid(entry->d_name);
      if (pid > 0 && pid != getpid() && WorksIn(pid, real_directory)) {
        to.collected[to.collected_count++] = pid;
      }
    }
  }
}

bool ServerKiller::IsCollected(pid_t pid) const {
  const auto begin = buffers_->collected.begin();
  return std::binary_search(begin, begin + buffers_->collected_count, pid);
}

// Through a pidfd, so that the number cannot have become another process's between the last look at
// its directory and the signal.
void ServerKiller::Signal(pid_t pid, absl::string_view real_directory) {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    if (errno != ESRCH && WorksIn(pid, real_directory)) {
      kill(pid, SIGKILL);  // no descriptor is left, or an old kernel
    }
    return;
  }
  if (WorksIn(pid, real_directory)) {
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
  }
  close(pidfd);
}

bool ServerKiller::CgroupIsTheServers(int procs_fd) {
  auto& text = buffers_->procs;
  pid_t pid = 0;
  bool has_a_server_process = false;
  while (true) {
    const ssize_t got = read(procs_fd, text.data(), text.size());
    if (got <= 0) {
      return got == 0 && has_a_server_process;
    }
    for (ssize_t i = 0; i < got; ++i) {
      const char c = text[static_cast<size_t>(i)];
      if (c >= '0' && c <= '9') {
        pid = pid * 10 + (c - '0');
        continue;
      }
      if (pid == getpid()) {
        return false;
      }
      has_a_server_process = has_a_server_process || IsCollected(pid);
      pid = 0;
    }
  }
}

bool ServerKiller::KillCgroup(const std::string& cgroup) {
  const int directory = open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) {
    return false;
  }

  struct statfs info {};

  bool killed = false;
  if (fstatfs(directory, &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC) {
    const int procs = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    const int kill_file = openat(directory, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    killed =
        procs >= 0 && kill_file >= 0 && CgroupIsTheServers(procs) && write(kill_file, "1", 1) == 1;
    for (const int fd : {procs, kill_file}) {
      if (fd >= 0) {
        close(fd);
      }
    }
  }
  close(directory);
  return killed;
}

KillRound ServerKiller::Kill(const std::string& real_directory, const std::string& cgroup) {
  std::swap(buffers_->before, buffers_->collected);
  std::swap(buffers_->before_count, buffers_->collected_count);
  Collect(real_directory);
  KillRound round;
  round.found = buffers_->collected_count;
  round.used_cgroup = round.found > 0 && !cgroup.empty() && KillCgroup(cgroup);
  const auto before = buffers_->before.begin();
  for (size_t i = 0; i < buffers_->collected_count; ++i) {
    const pid_t pid = buffers_->collected[i];
    Signal(pid, real_directory);
    round.newly_found += std::binary_search(before, before + buffers_->before_count, pid) ? 0 : 1;
  }
  return round;
}

uint64_t ServerKiller::Count(const std::string& real_directory) {
  Collect(real_directory);
  const uint64_t count = buffers_->collected_count;
  buffers_->collected_count = 0;
  return count;
}

}  // namespace pgmahout::guard
