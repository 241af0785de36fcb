// SPDX-License-Identifier: Apache-2.0
// Direct control: the agent starts the postmaster itself, in a session of its own, so that it goes
// on when the agent ends. For containers, and wherever there is no systemd.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "agent/postgres/process_control.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

// A server that recovers is no longer waited for after kSettled; one that has not even come so far
// (a large shared memory) after kPatience. Later ends are seen by the watcher.
constexpr Duration kSettled{1'000};
constexpr Duration kPatience{60'000};
constexpr Duration kLook{5};

// False if the postmaster has ended.
bool ComesUp(const std::string& data_directory, pid_t pid) {
  const BootTime start = SystemClock().Now();
  while (!WaitForEnd(pid, kLook)) {
    const std::string status = StatusInLockFile(data_directory, pid);
    const Duration enough = status.empty() ? kPatience : kSettled;
    if (status == "ready" || status == "standby" || SystemClock().Now() - start >= enough) {
      return true;
    }
  }
  return false;
}

// What PostgreSQL said since `from`, the decisive lines only.
std::string Complaints(const std::string& path, uint64_t from) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok() || text->size() <= from) {
    return "";
  }
  std::vector<std::string> kept;
  for (const auto& line : absl::StrSplit(absl::string_view(*text).substr(from), '\n')) {
    for (const char* mark : {"FATAL:", "PANIC:", "ERROR:", "could not", "WARNING:", "HINT:"}) {
      const size_t at = line.find(mark);
      if (at != absl::string_view::npos && !absl::StrContains(line, "Future log output")) {
        kept.emplace_back(line.substr(at));
        break;
      }
    }
  }
  constexpr size_t kKeep = 4;
  if (kept.size() > kKeep) {
    kept.erase(kept.begin(), kept.end() - kKeep);
  }
  return absl::StrJoin(kept, "; ");
}

// Once it has read its configuration the server logs into a file of its own beside ours.
std::string NewestLog(const std::string& directory) {
  std::error_code ignored;
  std::filesystem::path newest;
  std::filesystem::file_time_type newest_time;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const auto time = entry.last_write_time(ignored);
    if (absl::StartsWith(entry.path().filename().string(), "postgresql-") &&
        (newest.empty() || time > newest_time)) {
      newest = entry.path();
      newest_time = time;
    }
  }
  return newest.string();
}

// The log collector writes what it was told only after the postmaster's end.
void AwaitLogCollector(const std::string& data_directory) {
  constexpr Duration kFlush{2'000};
  const BootTime deadline = SystemClock().Now() + kFlush;
  while (SystemClock().Now() < deadline) {
    const std::vector<pid_t> left = FindServerProcesses(data_directory);
    if (left.empty()) {
      return;
    }
    WaitForEnd(left.front(), kLook);
  }
}

uint64_t SizeOf(const std::string& path) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

class DirectControl : public ProcessControl {
 public:
  absl::Status Start(const ServerPaths& paths) override {
    Reap();
    const std::string program = paths.bin_directory + "/postgres";
    const int log = open(paths.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) {
      return ErrnoStatus(errno, absl::StrCat("cannot open \"", paths.log_file, "\""));
    }
    const uint64_t log_start = SizeOf(paths.log_file);
    const std::string directory = std::filesystem::path(paths.log_file).parent_path().string();
    const std::string server_log = NewestLog(directory);
    const uint64_t server_log_start = SizeOf(server_log);
    const pid_t pid = Launch(program, paths.data_directory, log);
    const int fork_error = errno;
    close(log);
    if (pid < 0) {
      return ErrnoStatus(fork_error, absl::StrCat("cannot start \"", program, "\""));
    }
    Adopt(pid);
    if (ComesUp(paths.data_directory, pid)) {
      return absl::OkStatus();
    }
    AwaitLogCollector(paths.data_directory);
    const std::string log_now = NewestLog(directory);
    const std::string said =
        absl::StrCat(Complaints(paths.log_file, log_start),
                     Complaints(log_now, log_now == server_log ? server_log_start : 0));
    return WithInfo(absl::FailedPreconditionError("PostgreSQL ended right after its start"),
                    ErrorInfo{"start-failed", said, absl::StrCat("See \"", directory, "\".")});
  }

  absl::Status RequestStop(const ServerPaths& paths) override {
    Reap();
    const pid_t pid = FindPostmaster(paths.data_directory);
    // SIGINT is a fast shutdown (PostgreSQL docs, "Shutting Down the Server").
    if (pid != 0 && kill(pid, SIGINT) != 0 && errno != ESRCH) {
      return ErrnoStatus(errno, absl::StrCat("cannot signal postmaster ", pid));
    }
    return absl::OkStatus();
  }

  absl::Status InstallServer(uint32_t major) override {
    return WithHint(
        absl::FailedPreconditionError(absl::StrCat("PostgreSQL ", major, " is not installed")),
        absl::StrCat("Install it (Debian: postgresql-", major,
                     "), or name its bin directory in agent.yaml: postgres.binDirs."));
  }

  absl::Status Kill(const ServerPaths& paths, Duration timeout) override {
    const absl::Status status = KillServerProcesses(paths.data_directory, timeout);
    Reap();
    return status;
  }

 private:
  // Between fork and exec only async-signal-safe calls (POSIX fork); all strings exist before.
  static pid_t Launch(const std::string& program, const std::string& data_directory, int log) {
    const std::array<const char*, 4> argv = {program.c_str(), "-D", data_directory.c_str(),
                                             nullptr};
    const pid_t pid = fork();
    if (pid != 0) {
      return pid;
    }
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null_fd, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    // Whatever a library has opened without O_CLOEXEC: a listening socket of the agent that lived
    // on in the server would keep the next agent from starting.
    close_range(STDERR_FILENO + 1, ~0U, 0);
    execv(argv[0], const_cast<char* const*>(argv.data()));
    _exit(127);
  }

  void Adopt(pid_t pid) {
    const std::lock_guard lock(mutex_);
    children_.insert(pid);
  }

  // PostgreSQL takes a zombie postmaster for a live one and refuses to start beside it.
  void Reap() {
    const std::lock_guard lock(mutex_);
    for (auto child = children_.begin(); child != children_.end();) {
      child = waitpid(*child, nullptr, WNOHANG) != 0 ? children_.erase(child) : std::next(child);
    }
  }

  std::mutex mutex_;
  std::set<pid_t> children_;  // postmasters that this agent started
};

}  // namespace

std::unique_ptr<ProcessControl> MakeDirectControl() {
  return std::make_unique<DirectControl>();
}

}  // namespace pgmahout::agent
