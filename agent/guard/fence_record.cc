// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/fence_record.h"

#include <utility>

namespace pgmahout::guard {
namespace {

// What is still there then is reported before it is gone, for it may stay for ever.
constexpr Duration kReportWhileDying{1'000};

}  // namespace

FenceRecord::FenceRecord(const GuardOrder& order,
                         std::string boot_id,
                         BootTime now,
                         int64_t wall_ms) {
  report_.boot_id = std::move(boot_id);
  report_.data_directory = order.data_directory;
  report_.epoch = order.epoch;
  report_.deadline = order.deadline;
  report_.struck_at = now;
  report_.struck_wall_ms = wall_ms;
}

bool FenceRecord::IsFor(const GuardOrder& order) const {
  return report_.data_directory == order.data_directory && report_.epoch == order.epoch &&
         report_.deadline == order.deadline;
}

void FenceRecord::Continue(const GuardReport& earlier) {
  if (earlier.boot_id == report_.boot_id && earlier.epoch == report_.epoch &&
      earlier.data_directory == report_.data_directory && earlier.deadline == report_.deadline) {
    report_ = earlier;
    taken_ = earlier;
  }
}

void FenceRecord::OnRound(const KillRound& round, BootTime now) {
  report_.killed += round.newly_found;
  report_.left = round.found;
  report_.used_cgroup = report_.used_cgroup || round.used_cgroup;
  report_.problem.clear();
  if (round.found == 0) {
    report_.clear_at = report_.clear_at.value_or(now);
    dying_since_.reset();
    is_due_ = true;
    return;
  }
  dying_since_ = dying_since_.value_or(now);
  is_due_ = now >= *dying_since_ + kReportWhileDying;
}

void FenceRecord::OnRefusal(const absl::Status& why) {
  report_.problem = std::string(why.message());
  is_due_ = true;
}

std::optional<GuardReport> FenceRecord::TakeReport() {
  if (!is_due_ || taken_ == report_) {
    return std::nullopt;
  }
  taken_ = report_;
  return report_;
}

}  // namespace pgmahout::guard
