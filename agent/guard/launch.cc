// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "agent/guard/guard_lock.h"
#include "common/base/clock.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/file_descriptor.h"
#include "common/base/status_macros.h"

namespace pgmahout::guard {
namespace {

constexpr Duration kPatience{10'000};

// Between fork and exec only async-signal-safe calls (POSIX fork); all strings exist before.
[[noreturn]] void BecomeGuard(const char* const* argv, int log, int ready) {
  setsid();
  // A second fork: init adopts and reaps it, and it never gets a terminal.
  const pid_t pid = _Fork();  // fork() is not async-signal-safe
  if (pid != 0) {
    _exit(pid > 0 ? 0 : 1);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null_fd, STDIN_FILENO);
  dup2(ready, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, 0);
  if (chdir("/") == 0) {
    // Nothing is inherited: our $NOTIFY_SOCKET and $JOURNAL_STREAM are not its own.
    char* const no_environment[] = {nullptr};
    execve(argv[0], const_cast<char* const*>(argv), no_environment);
  }
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, &error, sizeof error);
  _exit(127);
}

// The guard closes its stdout once it guards, and so does its end. An errno comes through if it
// could not even be executed.
absl::Status AwaitReady(int ready, const std::string& program) {
  const BootTime deadline = SystemClock().Now() + kPatience;
  pollfd wait{ready, POLLIN, 0};
  while (true) {
    const Duration left = deadline - SystemClock().Now();
    if (left.count() <= 0) {
      return absl::DeadlineExceededError(
          absl::StrCat("guard \"", program, "\" does not say that it runs"));
    }
    if (poll(&wait, 1, static_cast<int>(left.count())) > 0) {
      break;
    }
  }
  int error = 0;
  const ssize_t got = read(ready, &error, sizeof error);
  return got == sizeof error ? ErrnoStatus(error, absl::StrCat("cannot execute \"", program, "\""))
                             : absl::OkStatus();
}

std::string EndOf(const std::string& log_file) {
  constexpr size_t kKeep = 500;
  const absl::StatusOr<std::string> text = ReadFile(log_file);
  if (!text.ok()) {
    return "";
  }
  return text->size() > kKeep ? text->substr(text->size() - kKeep) : *text;
}

absl::Status Launch(const std::array<const char*, 6>& argv, const std::string& log_file) {
  const FileDescriptor log(
      open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (log.get() < 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot open \"", log_file, "\""));
  }
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return ErrnoStatus(errno, "cannot make a pipe");
  }
  const FileDescriptor ready(ends[0]);
  FileDescriptor its_end(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot start \"", argv[0], "\""));
  }
  if (pid == 0) {
    BecomeGuard(argv.data(), log.get(), its_end.get());
  }
  its_end.Close();
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return AwaitReady(ready.get(), argv[0]);
}

}  // namespace

absl::Status EnsureGuardRuns(const std::string& program,
                             const std::string& order_file,
                             const std::string& report_file,
                             const std::string& log_file) {
  if (GuardIsAlive(order_file)) {
    return absl::OkStatus();
  }
  const std::array<const char*, 6> argv = {program.c_str(), "--order-file",      order_file.c_str(),
                                           "--report-file", report_file.c_str(), nullptr};
  PGM_RETURN_IF_ERROR(Launch(argv, log_file));
  if (GuardIsAlive(order_file)) {
    return absl::OkStatus();
  }
  return WithInfo(
      absl::FailedPreconditionError(
          absl::StrCat("guard \"", program, "\" ended right after its start")),
      ErrorInfo{"guard-start-failed", EndOf(log_file), absl::StrCat("See \"", log_file, "\".")});
}

}  // namespace pgmahout::guard
