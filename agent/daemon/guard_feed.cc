// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/guard_feed.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/guard/guard_lock.h"
#include "agent/guard/guard_report.h"
#include "agent/guard/launch.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

constexpr Duration kWorthWriting{250};
constexpr Duration kLookPeriod{1'000};

// Whether `order` says what `last` says, but for a deadline that moved on a little.
bool IsNearlyTheSame(const guard::GuardOrder& order, const guard::GuardOrder& last) {
  guard::GuardOrder comparable = order;
  comparable.deadline = last.deadline;
  return comparable == last && (!order.armed || (order.deadline >= last.deadline &&
                                                 order.deadline - last.deadline < kWorthWriting));
}

}  // namespace

GuardFeed::GuardFeed(const Clock& clock, GuardConfig config)
    : clock_(clock),
      config_(std::move(config)),
      order_file_(absl::StrCat(config_.directory, "/guard.order")),
      report_file_(absl::StrCat(config_.directory, "/guard.report")) {}

absl::Status GuardFeed::Feed(const guard::GuardOrder& order) {
  if (config_.program.empty() || (written_ && IsNearlyTheSame(order, last_))) {
    return absl::OkStatus();
  }
  if (!file_.has_value()) {
    PGM_ASSIGN_OR_RETURN(file_, guard::GuardFile::Open(order_file_));
  }
  PGM_RETURN_IF_ERROR(file_->Write(order));
  last_ = order;
  written_ = true;
  return absl::OkStatus();
}

void GuardFeed::LookAfter() {
  const BootTime now = clock_.Now();
  if (config_.program.empty() || now - looked_at_ < kLookPeriod || looking_.exchange(true)) {
    return;
  }
  looked_at_ = now;
  worker_.Post([this] {
    Look();
    looking_ = false;
  });
}

void GuardFeed::Look() {
  absl::Status started;
  if (config_.starts_it) {
    started = guard::EnsureGuardRuns(config_.program, order_file_, report_file_,
                                     absl::StrCat(config_.directory, "/guard.log"));
  }
  alive_ = guard::GuardIsAlive(order_file_);
  if (!alive_ && !std::exchange(complained_, true)) {
    LogError("no pgmahout-guard runs: if this agent ends or hangs, nobody stops a primary in time",
             {{"order_file", order_file_}, {"error", std::string(started.message())}});
  } else if (alive_) {
    complained_ = false;
  }
  TellOfReport();
}

void GuardFeed::TellOfReport() {
  const auto report = guard::ReadGuardReport(report_file_);
  if (!report.ok() || report->boot_id != BootId() || struck_ == report->struck_at) {
    return;
  }
  struck_ = report->struck_at;
  LogWarning(report->problem.empty()
                 ? "pgmahout-guard has fenced PostgreSQL: its deadline had passed"
                 : "pgmahout-guard could not fence PostgreSQL",
             {{"epoch", absl::StrCat(report->epoch)},
              {"late_ms", absl::StrCat(report->Late().count())},
              {"killed", absl::StrCat(report->killed)},
              {"left", absl::StrCat(report->left)},
              {"problem", report->problem}});
}

}  // namespace pgmahout::agent
