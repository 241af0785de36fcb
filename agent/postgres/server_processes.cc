// SPDX-License-Identifier: Apache-2.0
// Finding and ending the processes of one server by what /proc says of them.
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agent/postgres/process_control.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/log.h"

namespace pgmahout::agent {
namespace {

constexpr Duration kKillPause{5};

std::string RealPath(const std::string& path) {
  std::array<char, PATH_MAX> resolved{};
  return realpath(path.c_str(), resolved.data()) == nullptr ? std::string() : resolved.data();
}

std::string WorkingDirectoryOf(pid_t pid) {
  std::array<char, PATH_MAX> target{};
  const ssize_t length =
      readlink(absl::StrCat("/proc/", pid, "/cwd").c_str(), target.data(), target.size() - 1);
  return length < 0 ? std::string() : std::string(target.data(), static_cast<size_t>(length));
}

// A zombie has no working directory any more, so this is false for it.
bool WorksIn(pid_t pid, const std::string& real_directory) {
  return !real_directory.empty() && WorkingDirectoryOf(pid) == real_directory;
}

struct ProcessStat {
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
};

// proc(5): "pid (comm) state ppid pgrp session ..."; comm may hold anything, also parentheses.
ProcessStat StatOf(pid_t pid) {
  ProcessStat stat;
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat("/proc/", pid, "/stat"), 4096);
  const size_t end = text.ok() ? text->rfind(')') : std::string::npos;
  if (end == std::string::npos) {
    return stat;
  }
  const std::vector<std::string> fields =
      absl::StrSplit(text->substr(end + 1), ' ', absl::SkipEmpty());
  if (fields.size() < 4 || !absl::SimpleAtoi(fields[1], &stat.parent) ||
      !absl::SimpleAtoi(fields[2], &stat.group) || !absl::SimpleAtoi(fields[3], &stat.session)) {
    return ProcessStat{};
  }
  return stat;
}

// pg_rewind runs "postgres --single" on a crashed server: a grandchild of ours, in the process
// group of our child and in our session. A postmaster has a session of its own, and so has every
// child of it but for the first moment, when it is still in the postmaster's.
bool BelongsToOurTool(pid_t pid) {
  const ProcessStat stat = StatOf(pid);
  return stat.group != 0 && stat.group != pid && stat.session == getsid(0) &&
         StatOf(stat.group).parent == getpid();
}

class PidFd {
 public:
  explicit PidFd(pid_t pid) : fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

  ~PidFd() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }

  PidFd(const PidFd&) = delete;
  PidFd& operator=(const PidFd&) = delete;

  // pidfd_open(2): readable when the process has terminated, also for one that is not our child.
  bool Ended(Duration timeout) const {
    if (fd_ < 0) {
      return true;
    }
    pollfd wait{fd_, POLLIN, 0};
    return poll(&wait, 1, static_cast<int>(timeout.count())) > 0;
  }

 private:
  int fd_;
};

}  // namespace

std::vector<pid_t> FindServerProcesses(const std::string& data_directory) {
  std::vector<pid_t> found;
  const std::string real = RealPath(data_directory);
  DIR* proc = opendir("/proc");
  if (proc == nullptr || real.empty()) {
    if (proc != nullptr) {
      closedir(proc);
    }
    return found;
  }
  while (const dirent* entry = readdir(proc)) {  // NOLINT(concurrency-mt-unsafe): own DIR
    pid_t pid = 0;
    if (absl::SimpleAtoi(entry->d_name, &pid) && pid != getpid() && WorksIn(pid, real) &&
        !BelongsToOurTool(pid)) {
      found.push_back(pid);
    }
  }
  closedir(proc);
  return found;
}

pid_t FindPostmaster(const std::string& data_directory) {
  const absl::StatusOr<std::string> text = ReadFile(data_directory + "/postmaster.pid", 4096);
  if (!text.ok()) {
    return 0;
  }
  const std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  pid_t pid = 0;
  if (!absl::SimpleAtoi(lines.front(), &pid) || pid <= 0) {
    return 0;
  }
  return WorksIn(pid, RealPath(data_directory)) ? pid : 0;
}

// The postmaster's own word is in the 8th line of its lock file (PostgreSQL: miscadmin.h,
// LOCK_FILE_LINE_PM_STATUS).
std::string StatusInLockFile(const std::string& data_directory, pid_t pid) {
  const absl::StatusOr<std::string> text = ReadFile(data_directory + "/postmaster.pid", 4096);
  if (!text.ok()) {
    return "";
  }
  const std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  const bool is_its_own = lines.size() >= 8 && lines[0] == absl::StrCat(pid);
  return is_its_own ? std::string(absl::StripAsciiWhitespace(lines[7])) : "";
}

absl::Status RemoveEmptyLockFile(const std::string& data_directory, const std::string& lock_file) {
  const absl::StatusOr<std::string> text = ReadFile(lock_file, 4096);
  constexpr char kZero = '\0';  // some file systems have a file's length before its content
  if (!text.ok() || text->find_first_not_of(kZero) != std::string::npos) {
    return absl::OkStatus();
  }
  if (!FindServerProcesses(data_directory).empty()) {
    return absl::UnavailableError(absl::StrCat(
        "\"", lock_file, "\" is empty, and processes still work in \"", data_directory, "\""));
  }
  LogWarning("an empty lock file, left by a server that was killed as it began, is removed",
             {{"file", lock_file}});
  return unlink(lock_file.c_str()) == 0 || errno == ENOENT
             ? absl::OkStatus()
             : ErrnoStatus(errno, absl::StrCat("cannot remove \"", lock_file, "\""));
}

absl::Status KillServerProcesses(const std::string& data_directory, Duration timeout) {
  const BootTime deadline = SystemClock().Now() + timeout;
  while (true) {
    const std::vector<pid_t> left = FindServerProcesses(data_directory);
    if (left.empty()) {
      return absl::OkStatus();
    }
    for (const pid_t pid : left) {
      kill(pid, SIGKILL);
    }
    if (SystemClock().Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat("processes ", absl::StrJoin(left, ", "),
                                                      " of \"", data_directory,
                                                      "\" are still there after SIGKILL"));
    }
    WaitForEnd(left.front(), kKillPause);
  }
}

bool WaitForEnd(pid_t pid, Duration timeout) {
  return PidFd(pid).Ended(timeout);
}

}  // namespace pgmahout::agent
