// SPDX-License-Identifier: Apache-2.0
#include "common/base/lasting_job.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/exec_arguments.h"
#include "common/base/file_descriptor.h"
#include "common/base/fingerprint.h"
#include "common/base/status_macros.h"

namespace pgmahout {
namespace {

constexpr int kLook = 50;  // milliseconds
constexpr Duration kDies{10'000};
constexpr int kLockFd = 3;
constexpr size_t kToldOfLog = 2000;
// So much of the log has its place from the beginning: why a program ended can be told on a full
// disk, too. A line a second for hours.
constexpr off_t kLogReserve = off_t{1} << 20;
constexpr int kNoExec = 127;  // as a shell says it

std::string JobFile(const std::string& path) {
  return path + ".job";
}

std::string LogFile(const std::string& path) {
  return path + ".log";
}

// Whether anything of the job is left: the lock belongs to the open file that its processes share.
bool Runs(const std::string& path) {
  const FileDescriptor file(open(JobFile(path).c_str(), O_RDONLY | O_CLOEXEC));
  return file.get() >= 0 && flock(file.get(), LOCK_SH | LOCK_NB) != 0;
}

// Names the command.
std::string TagOf(const LastingCommand& command) {
  std::string all = absl::StrCat(command.purpose, "\n", absl::StrJoin(command.argv, "\n"), "\n");
  for (const auto& [name, value] : command.environment) {
    absl::StrAppend(&all, name, "=", value, "\n");
  }
  return absl::StrCat(Fingerprint(all));
}

// The job file has a line for each, as far as the job has come.
struct JobRecord {
  std::string tag;
  pid_t group = 0;
  std::optional<int> exit_code;
};

std::optional<JobRecord> ReadRecord(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(JobFile(path), 4096);
  if (!text.ok()) {
    return std::nullopt;
  }
  std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  lines.pop_back();  // what has no newline is not whole
  JobRecord record;
  int code = 0;
  if (!lines.empty()) {
    record.tag = lines[0];
  }
  if (lines.size() > 1 && !absl::SimpleAtoi(lines[1], &record.group)) {
    record.group = 0;
  }
  if (lines.size() > 2 && absl::SimpleAtoi(lines[2], &code)) {
    record.exit_code = code;
  }
  return record;
}

// ---- Between fork() and the end of the job: only async-signal-safe calls ----

// All that the child needs, made before fork().
struct Prepared {
  ExecArguments arguments;
  std::string log_file;
  int64_t patience;
};

// A line with `number`, without the library. False on a full disk.
bool WriteNumber(int fd, unsigned number) {
  std::array<char, 16> text{};
  size_t begin = text.size();
  text[--begin] = '\n';
  do {
    text[--begin] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  const size_t length = text.size() - begin;
  return write(fd, &text[begin], length) == static_cast<ssize_t>(length);
}

// Whoever waits holds a lock on the log.
bool IsWaitedFor(int log) {
  const bool waited_for = flock(log, LOCK_EX | LOCK_NB) != 0;
  if (!waited_for) {
    flock(log, LOCK_UN);
  }
  return waited_for;
}

// Somebody has removed the job file, as the purge of a package does: nobody could find us any more,
// nor keep another job from the same work.
bool IsForgotten() {
  struct stat file {};

  return fstat(kLockFd, &file) == 0 && file.st_nlink == 0;
}

// The exit code of `pid`. Time is counted in looks, so that a machine that slept ends nothing.
int AwaitProgram(pid_t pid, const Prepared& prepared) {
  const int log = open(prepared.log_file.c_str(), O_RDONLY | O_CLOEXEC);
  int status = 0;
  pid_t ended = 0;
  for (int64_t alone = 0; ended == 0; ended = waitpid(pid, &status, WNOHANG)) {
    poll(nullptr, 0, kLook);
    alone = IsWaitedFor(log) ? 0 : alone + kLook;
    if (alone >= prepared.patience || IsForgotten()) {
      kill(0, SIGKILL);  // ourselves, too
    }
  }
  if (ended != pid) {
    return kNoExec;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

[[noreturn]] void Supervise(const Prepared& prepared) {
  const pid_t pid = _Fork();  // fork() is not async-signal-safe
  if (pid == 0) {
    prepared.arguments.Exec();
    _exit(kNoExec);
  }
  const int code = pid < 0 ? kNoExec : AwaitProgram(pid, prepared);
  WriteNumber(kLockFd, static_cast<unsigned>(code));
  fsync(kLockFd);
  _exit(0);
}

void ResetSignals() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGCHLD, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
}

// Keeps no descriptor of the agent's but the lock, which the program and what it starts get, too.
void TakeDescriptors(int lock, int log) {
  const int null_fd = open("/dev/null", O_RDONLY);
  // Copies first: the places of the new ones may be where the old ones are.
  const int lock_copy = fcntl(lock, F_DUPFD, kLockFd + 1);
  const int log_copy = fcntl(log, F_DUPFD, kLockFd + 1);
  if (null_fd < 0 || lock_copy < 0 || log_copy < 0) {
    _exit(1);
  }
  dup2(null_fd, STDIN_FILENO);
  dup2(log_copy, STDOUT_FILENO);
  dup2(log_copy, STDERR_FILENO);
  dup2(lock_copy, kLockFd);
  close_range(kLockFd + 1, ~0U, 0);
}

// A session of its own, whose parent is init.
[[noreturn]] void Detach(const Prepared& prepared, int lock, int log) {
  if (setsid() < 0 || !WriteNumber(lock, static_cast<unsigned>(getpid()))) {
    _exit(1);
  }
  const pid_t pid = _Fork();
  if (pid != 0) {
    _exit(pid > 0 ? 0 : 1);
  }
  ResetSignals();
  TakeDescriptors(lock, log);
  if (chdir("/") != 0) {
    _exit(1);
  }
  Supervise(prepared);
}

// ---- In the process that starts it or waits for it ----

// What was printed from `*offset` on.
std::string ReadLogFrom(int log, off_t* offset) {
  std::string text;
  std::array<char, 16384> block{};
  ssize_t got = 0;
  while ((got = pread(log, block.data(), block.size(), *offset)) > 0) {
    text.append(block.data(), static_cast<size_t>(got));
    *offset += got;
  }
  return text;
}

std::string EndOfLog(const std::string& path) {
  std::string log = ReadFile(LogFile(path)).value_or("");
  if (log.size() > kToldOfLog) {
    log.erase(0, log.size() - kToldOfLog);
  }
  return std::string(absl::StripTrailingAsciiWhitespace(log));
}

bool IsSet(const std::atomic<bool>* flag) {
  return flag != nullptr && flag->load();
}

absl::Status Forget(const std::string& path) {
  if (unlink(JobFile(path).c_str()) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : ErrnoStatus(errno, absl::StrCat("cannot remove \"", path, ".job\""));
  }
  unlink(LogFile(path).c_str());
  return SyncDirectory(std::filesystem::path(path).parent_path().string());
}

}  // namespace

absl::StatusOr<LastingJob> LastingJob::Start(const LastingCommand& command) {
  if (access(command.argv.front().c_str(), X_OK) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot execute \"", command.argv.front(), "\""));
  }
  const Prepared prepared{ExecArguments(command.argv, command.environment), LogFile(command.path),
                          command.patience.count()};
  // A new file each time: what a crash of the machine leaves of an old one is no new one's.
  const FileDescriptor lock(
      open(JobFile(command.path).c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
  if (lock.get() < 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot make \"", command.path, ".job\""));
  }
  const FileDescriptor log(
      open(prepared.log_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  const std::string tag = TagOf(command) + "\n";
  if (log.get() < 0 || flock(lock.get(), LOCK_EX) != 0 ||
      write(lock.get(), tag.data(), tag.size()) != static_cast<ssize_t>(tag.size())) {
    return ErrnoStatus(errno, absl::StrCat("cannot write \"", command.path, ".job\""));
  }
  // Where the file system cannot, the log just takes what room there is.
  (void)fallocate(log.get(), FALLOC_FL_KEEP_SIZE, 0, kLogReserve);
  const pid_t pid = fork();
  if (pid == 0) {
    Detach(prepared, lock.get(), log.get());
  }
  int status = 0;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (pid < 0 || status != 0) {
    return absl::InternalError(absl::StrCat("cannot start \"", command.argv.front(), "\""));
  }
  return LastingJob(command);
}

std::optional<LastingJob> LastingJob::Find(const LastingCommand& command) {
  const bool runs = Runs(command.path);  // first: it may end meanwhile
  const std::optional<JobRecord> found = ReadRecord(command.path);
  if (!found.has_value() || found->tag != TagOf(command)) {
    return std::nullopt;
  }
  // Neither: the machine went down, or somebody killed all of it.
  return runs || found->exit_code.has_value() ? std::optional(LastingJob(command)) : std::nullopt;
}

absl::Status LastingJob::End(const std::string& path) {
  const BootTime deadline = SystemClock().Now() + kDies;
  while (Runs(path)) {
    // While the lock is held the group exists, so its number is no other's.
    const std::optional<JobRecord> record = ReadRecord(path);
    if (record.has_value() && record->group > 1) {
      kill(-record->group, SIGKILL);
    }
    if (SystemClock().Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("the job for \"", path, "\" is still there after SIGKILL"));
    }
    poll(nullptr, 0, kLook);
  }
  return Forget(path);
}

absl::Status LastingJob::Wait(JobWatch watch) const {
  const BootTime deadline = SystemClock().Now() + watch.timeout;
  const FileDescriptor log(open(LogFile(path_).c_str(), O_RDONLY | O_CLOEXEC));
  off_t told = 0;
  while (true) {
    flock(log.get(), LOCK_SH | LOCK_NB);  // IsWaitedFor() has it for a moment
    const bool runs = Runs(path_);        // before the log is read: the last lines count, too
    const std::string text = ReadLogFrom(log.get(), &told);
    if (!text.empty() && watch.on_output) {
      watch.on_output(text);
    }
    if (!runs) {
      return Outcome();
    }
    if (IsSet(watch.cancelled) || SystemClock().Now() >= deadline) {
      return GiveUp(watch);
    }
    poll(nullptr, 0, kLook);
  }
}

absl::Status LastingJob::GiveUp(const JobWatch& watch) const {
  PGM_RETURN_IF_ERROR(End(path_));
  return IsSet(watch.cancelled)
             ? absl::CancelledError(absl::StrCat("\"", program_, "\" was ended"))
             : absl::DeadlineExceededError(absl::StrCat("\"", program_, "\" did not end within ",
                                                        watch.timeout.count(), " ms"));
}

absl::Status LastingJob::Outcome() const {
  const std::optional<JobRecord> record = ReadRecord(path_);
  const std::optional<int> code = record.has_value() ? record->exit_code : std::nullopt;
  if (code == 0) {
    return absl::OkStatus();
  }
  const std::string what =
      code.has_value() ? absl::StrCat(" ended with exit code ", *code) : " was killed";
  return WithInfo(absl::InternalError(absl::StrCat("\"", program_, "\"", what)),
                  ErrorInfo{"command-failed", EndOfLog(path_), ""});
}

}  // namespace pgmahout
