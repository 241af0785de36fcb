// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/guard.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/guard/fence_record.h"
#include "agent/guard/guard_decision.h"
#include "agent/guard/guard_lock.h"
#include "agent/guard/guard_target.h"
#include "agent/guard/order_watch.h"
#include "agent/guard/privileges.h"
#include "agent/guard/server_killer.h"
#include "agent/guard/wake_up.h"
#include "agent/guard/watchdog_device.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/systemd_notify.h"
#include "common/base/version.h"

namespace pgmahout::guard {
namespace {

constexpr Duration kNotifyPause{1'000};
constexpr Duration kOncePatience{10'000};

void LogProblem(LogLevel level, const absl::Status& status) {
  const ErrorInfo info = InfoOf(status);
  LogFields fields;
  if (!info.detail.empty()) {
    fields.emplace_back("detail", info.detail);
  }
  if (!info.hint.empty()) {
    fields.emplace_back("hint", info.hint);
  }
  Log(level, std::string(status.message()), fields);
}

void LogReport(const GuardReport& report) {
  const LogFields fields = {{"data_directory", report.data_directory},
                            {"epoch", absl::StrCat(report.epoch)},
                            {"late_ms", absl::StrCat(report.Late().count())},
                            {"killed", absl::StrCat(report.killed)},
                            {"left", absl::StrCat(report.left)},
                            {"cgroup_kill", report.used_cgroup ? "yes" : "no"}};
  if (!report.problem.empty()) {
    LogError(absl::StrCat("the deadline passed, nothing was killed: ", report.problem), fields);
  } else if (report.left > 0) {
    LogError("the deadline passed, processes of PostgreSQL do not die", fields);
  } else {
    LogWarning("the deadline passed: no process of PostgreSQL runs any more", fields);
  }
}

// journald that hangs must not stop the guard: a line that finds no room is lost. Only for a
// socket, which systemd made for this service alone; other files may be shared with who started it.
void NeverWaitForTheLog() {
  struct stat info {};

  if (fstat(STDERR_FILENO, &info) == 0 && S_ISSOCK(info.st_mode)) {
    fcntl(STDERR_FILENO, F_SETFL, fcntl(STDERR_FILENO, F_GETFL) | O_NONBLOCK);
  }
}

void CloseStdout() {
  const int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
  dup2(null_fd, STDOUT_FILENO);
  close(null_fd);
}

class Guard {
 public:
  Guard(const GuardOptions& options,
        WakeUp wake_up,
        std::unique_ptr<ServerKiller> killer,
        std::optional<WatchdogDevice> watchdog)
      : options_(options),
        boot_id_(BootId()),
        watch_(options.order_file, boot_id_),
        wake_up_(std::move(wake_up)),
        killer_(std::move(killer)),
        watchdog_(std::move(watchdog)) {
    killer_->Count("/");  // a rehearsal
  }

  absl::Status Run() {
    while (true) {
      ReadOrder();
      const BootTime now = clock_.Now();
      const GuardDecision decision = Decide({watch_.order(), now, processes_seen_, stop_asked_at_});
      if (decision.action == GuardAction::kKill) {
        Strike(*watch_.order(), now);
      } else {
        processes_seen_.reset();
        fence_.reset();
      }
      SayRule(decision);
      if (decision.action == GuardAction::kLeave) {
        Leave();
        return absl::OkStatus();
      }
      if (options_.once && OnceIsOver(decision, now)) {
        return once_result_;
      }
      Pet(decision, now);
      if (wake_up_.SleepUntil(decision.wake) && !stop_asked_at_.has_value()) {
        stop_asked_at_ = clock_.Now();
        LogInfo("asked to stop");
      }
    }
  }

 private:
  bool IsArmed() const { return watch_.order() != nullptr && watch_.order()->armed; }

  void ReadOrder() {
    if (const absl::Status problem = watch_.Poll(clock_.Now()); !problem.ok()) {
      LogProblem(LogLevel::kError, problem);
    }
    if (const absl::Status problem = target_.Follow(watch_.order()); !problem.ok()) {
      LogProblem(LogLevel::kError, problem);
    }
  }

  void Strike(const GuardOrder& order, BootTime now) {
    once_result_ = target_.ProveIfNeeded();
    processes_seen_.reset();
    KillRound round;
    if (once_result_.ok()) {
      round = killer_->Kill(target_.real_directory(), order.cgroup);
      processes_seen_ = round.found;
    }
    // First the kill, then what may wait for a disk.
    if (!fence_.has_value() || !fence_->IsFor(order)) {
      fence_.emplace(order, boot_id_, now, clock_.WallMilliseconds());
      if (const auto earlier = ReadGuardReport(options_.report_file); earlier.ok()) {
        fence_->Continue(*earlier);
      }
    }
    if (once_result_.ok()) {
      fence_->OnRound(round, now);
    } else {
      fence_->OnRefusal(once_result_);
    }
    if (const auto report = fence_->TakeReport(); report.has_value()) {
      Report(*report);
    }
  }

  void Report(const GuardReport& report) {
    LogReport(report);
    if (const absl::Status status = WriteGuardReport(options_.report_file, report); !status.ok()) {
      LogProblem(LogLevel::kError, Annotate(status, "cannot report"));
    }
  }

  void SayRule(const GuardDecision& decision) {
    if (decision.rule == rule_) {
      return;
    }
    rule_ = decision.rule;
    LogFields fields = {{"rule", std::string(rule_)}};
    if (const GuardOrder* order = watch_.order(); order != nullptr) {
      fields.emplace_back("epoch", absl::StrCat(order->epoch));
      fields.emplace_back("data_directory", order->data_directory);
      fields.emplace_back("deadline_ms", absl::StrCat(order->deadline.milliseconds()));
    }
    LogInfo(IsArmed() ? "guard is armed" : "guard is not armed", fields);
  }

  bool OnceIsOver(const GuardDecision& decision, BootTime now) {
    if (decision.action != GuardAction::kKill || processes_seen_ == 0U || !once_result_.ok()) {
      return true;
    }
    once_started_ = once_started_.value_or(now);
    if (now < *once_started_ + kOncePatience) {
      return false;
    }
    once_result_ = absl::DeadlineExceededError(absl::StrCat(*processes_seen_, " processes of \"",
                                                            target_.real_directory(),
                                                            "\" are still there after SIGKILL"));
    return true;
  }

  void Pet(const GuardDecision& decision, BootTime now) {
    if (now >= next_notify_) {
      NotifySystemd(options_.notify_socket, "WATCHDOG=1");
      next_notify_ = now + kNotifyPause;
    }
    if (!watchdog_.has_value() || !decision.may_pet_watchdog) {
      return;
    }
    const absl::Status petted = watchdog_->Pet();
    if (!petted.ok() && !said_watchdog_) {
      LogProblem(LogLevel::kError, petted);
    }
    said_watchdog_ = !petted.ok();
  }

  void Leave() {
    NotifySystemd(options_.notify_socket, "STOPPING=1");
    if (IsArmed()) {
      // The watchdog goes on counting: whoever takes over must be here before it is at its end.
      LogWarning(
          "the guard leaves although it is armed: until it is started again nobody enforces "
          "the deadline");
      return;
    }
    if (watchdog_.has_value()) {
      if (const absl::Status status = watchdog_->Disarm(); !status.ok()) {
        LogProblem(LogLevel::kError, status);
      }
    }
    LogInfo("the guard ends");
  }

  const GuardOptions options_;
  const std::string boot_id_;
  const Clock& clock_ = SystemClock();
  OrderWatch watch_;
  WakeUp wake_up_;
  const std::unique_ptr<ServerKiller> killer_;
  std::optional<WatchdogDevice> watchdog_;
  GuardTarget target_;
  std::optional<FenceRecord> fence_;
  std::optional<uint64_t> processes_seen_;
  std::optional<BootTime> stop_asked_at_;
  std::optional<BootTime> once_started_;
  absl::Status once_result_;
  BootTime next_notify_;
  bool said_watchdog_ = false;
  absl::string_view rule_;
};

}  // namespace

absl::Status RunGuard(const GuardOptions& options) {
  NeverWaitForTheLog();
  PGM_ASSIGN_OR_RETURN(WakeUp wake_up, WakeUp::Open());
  PGM_ASSIGN_OR_RETURN(const GuardLock lock, GuardLock::Take(options.order_file));
  PGM_ASSIGN_OR_RETURN(std::unique_ptr<ServerKiller> killer, ServerKiller::Open());
  if (BootId().empty()) {
    return absl::FailedPreconditionError("the kernel does not tell its boot id");
  }
  std::optional<WatchdogDevice> watchdog;
  if (!options.watchdog.empty()) {
    PGM_ASSIGN_OR_RETURN(WatchdogDevice device, WatchdogDevice::Open(options.watchdog));
    watchdog.emplace(std::move(device));
  }
  Guard guard(options, std::move(wake_up), std::move(killer), std::move(watchdog));
  for (const absl::Status& refused : TakePrivileges()) {
    LogProblem(LogLevel::kInfo, refused);
  }
  LogInfo("pgmahout-guard runs",
          {{"order_file", options.order_file}, {"version", std::string(kVersion)}});
  NotifySystemd(options.notify_socket, "READY=1");
  CloseStdout();
  return guard.Run();
}

}  // namespace pgmahout::guard
