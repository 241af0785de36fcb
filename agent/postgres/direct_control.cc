// SPDX-License-Identifier: Apache-2.0
// Direct control: the agent starts the postmaster itself, in a session of its own, so that it goes
// on when the agent ends. For containers, and wherever there is no systemd.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/postgres/process_control.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

// A postmaster that cannot run says so within that time; later ends are seen by the watcher.
constexpr Duration kEarlyEnd{300};

std::string LastLines(const std::string& path, uint64_t from) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok() || text->size() <= from) {
    return "";
  }
  constexpr size_t kKeep = 1500;
  const std::string fresh = text->substr(from);
  return std::string(absl::StripAsciiWhitespace(
      fresh.size() > kKeep ? fresh.substr(fresh.size() - kKeep) : fresh));
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
    const off_t log_start = lseek(log, 0, SEEK_END);
    const pid_t pid = Launch(program, paths.data_directory, log);
    const int fork_error = errno;
    close(log);
    if (pid < 0) {
      return ErrnoStatus(fork_error, absl::StrCat("cannot start \"", program, "\""));
    }
    const std::lock_guard lock(mutex_);
    children_.insert(pid);
    if (!WaitForEnd(pid, kEarlyEnd)) {
      return absl::OkStatus();
    }
    return WithInfo(
        absl::FailedPreconditionError("PostgreSQL ended right after its start"),
        ErrorInfo{"start-failed",
                  LastLines(paths.log_file, static_cast<uint64_t>(std::max<off_t>(log_start, 0))),
                  absl::StrCat("See \"", paths.log_file, "\".")});
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
    execv(argv[0], const_cast<char* const*>(argv.data()));
    _exit(127);
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
