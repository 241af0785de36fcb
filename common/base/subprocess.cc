// SPDX-License-Identifier: Apache-2.0
#include "common/base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/error.h"
#include "common/base/exec_arguments.h"
#include "common/base/status_macros.h"

namespace pgmahout {
namespace {

constexpr size_t kKeptBytes = size_t{1} << 20;

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

absl::StatusOr<Pipe> MakePipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return ErrnoStatus(errno, "cannot make a pipe");
  }
  return Pipe{ends[0], ends[1]};
}

void CloseFd(int& fd) {
  if (fd >= 0) {
    close(fd);
    fd = -1;
  }
}

[[noreturn]] void RunChild(const ExecArguments& arguments,
                           const char* directory,
                           const Pipe& out,
                           const Pipe& err,
                           const Pipe& failure) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null_fd >= 0) {
    dup2(null_fd, STDIN_FILENO);
  }
  dup2(out.write_end, STDOUT_FILENO);
  dup2(err.write_end, STDERR_FILENO);
  if (*directory == '\0' || chdir(directory) == 0) {
    arguments.Exec();
  }
  const int error = errno;
  [[maybe_unused]] const ssize_t told = write(failure.write_end, &error, sizeof(error));
  _exit(127);
}

// Reads what is there. False at end of file.
bool Drain(int fd, std::string& kept, absl::AnyInvocable<void(absl::string_view)>* listener) {
  std::array<char, 16384> block{};
  const ssize_t got = read(fd, block.data(), block.size());
  if (got < 0) {
    return errno == EINTR || errno == EAGAIN;
  }
  if (got == 0) {
    return false;
  }
  const absl::string_view text(block.data(), static_cast<size_t>(got));
  if (listener != nullptr && *listener) {
    (*listener)(text);
  }
  kept.append(text.data(), text.size());
  if (kept.size() > kKeptBytes) {
    kept.erase(0, kept.size() - kKeptBytes);
  }
  return true;
}

struct Running {
  pid_t pid;
  Pipe out;
  Pipe err;
};

bool IsCancelled(const Command& command) {
  return command.cancelled != nullptr && command.cancelled->load();
}

// True when both pipes are closed, false when the deadline passed or the caller changed its mind.
bool Collect(Running& running, Command& command, CommandResult& result) {
  const int64_t patience = command.cancelled == nullptr ? 60'000 : 20;
  const BootTime deadline = SystemClock().Now() + command.timeout;
  while (running.out.read_end >= 0 || running.err.read_end >= 0) {
    const int64_t left = (deadline - SystemClock().Now()).count();
    if (left <= 0 || IsCancelled(command)) {
      return false;
    }
    std::array<pollfd, 2> waits{pollfd{running.out.read_end, POLLIN, 0},
                                pollfd{running.err.read_end, POLLIN, 0}};
    if (poll(waits.data(), waits.size(), static_cast<int>(std::min<int64_t>(left, patience))) <=
        0) {
      continue;
    }
    if (waits[0].revents != 0 && !Drain(running.out.read_end, result.out, nullptr)) {
      CloseFd(running.out.read_end);
    }
    if (waits[1].revents != 0 && !Drain(running.err.read_end, result.err, &command.on_stderr)) {
      CloseFd(running.err.read_end);
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<CommandResult> RunCommand(Command command) {
  const ExecArguments arguments(command.argv, command.environment);
  PGM_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  PGM_ASSIGN_OR_RETURN(Pipe err, MakePipe());
  PGM_ASSIGN_OR_RETURN(Pipe failure, MakePipe());
  const pid_t pid = fork();
  if (pid == 0) {
    RunChild(arguments, command.directory.c_str(), out, err, failure);
  }
  const int fork_error = errno;
  CloseFd(out.write_end);
  CloseFd(err.write_end);
  CloseFd(failure.write_end);
  if (pid < 0) {
    CloseFd(out.read_end);
    CloseFd(err.read_end);
    CloseFd(failure.read_end);
    return ErrnoStatus(fork_error, "cannot fork");
  }
  int exec_error = 0;
  const bool exec_failed = read(failure.read_end, &exec_error, sizeof(exec_error)) > 0;
  CloseFd(failure.read_end);

  CommandResult result;
  Running running{pid, out, err};
  const bool finished = Collect(running, command, result);
  if (!finished) {
    kill(-pid, SIGKILL);
  }
  CloseFd(running.out.read_end);
  CloseFd(running.err.read_end);
  int wait_status = 0;
  while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
  }
  if (exec_failed) {
    return ErrnoStatus(exec_error, absl::StrCat("cannot execute \"", command.argv[0], "\""));
  }
  if (!finished && IsCancelled(command)) {
    return absl::CancelledError(absl::StrCat("\"", command.argv[0], "\" was ended"));
  }
  if (!finished) {
    return absl::DeadlineExceededError(absl::StrCat("\"", command.argv[0], "\" did not end within ",
                                                    command.timeout.count(), " ms"));
  }
  result.exit_code =
      WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
  return result;
}

absl::StatusOr<CommandResult> RunCommandOrFail(Command command) {
  const std::string program = command.argv[0];
  PGM_ASSIGN_OR_RETURN(CommandResult result, RunCommand(std::move(command)));
  if (result.exit_code == 0) {
    return result;
  }
  const size_t keep = 2000;
  const std::string tail =
      result.err.size() > keep ? result.err.substr(result.err.size() - keep) : result.err;
  return WithInfo(
      absl::InternalError(
          absl::StrCat("\"", program, "\" ended with exit code ", result.exit_code)),
      ErrorInfo{"command-failed", std::string(absl::StripTrailingAsciiWhitespace(tail)), ""});
}

}  // namespace pgmahout
