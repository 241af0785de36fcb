// SPDX-License-Identifier: Apache-2.0
#include "controller/core/disk.h"

#include "absl/strings/str_cat.h"

namespace pgmahout::controller {
namespace {

constexpr Duration kSoon{3'600'000};
constexpr Duration kSoonNoMore{7'200'000};
constexpr uint64_t kFreePercent = 5;
constexpr uint64_t kFreePercentAgain = 7;

uint64_t FreePercent(const Report& report) {
  return report.disk_bytes == 0 ? 100 : report.disk_free_bytes / (report.disk_bytes / 100 + 1);
}

bool IsShort(const Report& report, bool was_short) {
  const Duration soon = was_short ? kSoonNoMore : kSoon;
  return (report.disk_full_in.has_value() && *report.disk_full_in < soon) ||
         FreePercent(report) < (was_short ? kFreePercentAgain : kFreePercent);
}

std::string Describe(const Report& report) {
  if (report.disk_full_in.has_value() && *report.disk_full_in < kSoonNoMore) {
    return absl::StrCat("full in about ", (report.disk_full_in->count() + 30'000) / 60'000, " min");
  }
  return absl::StrCat(100 - FreePercent(report), " % full");
}

}  // namespace

std::string DiskWarning(const std::string& node, const MemberView& member) {
  return member.disk_is_short && member.report.has_value()
             ? absl::StrCat("disk of ", node, " ", Describe(*member.report))
             : "";
}

void WatchDisk(const Turn& turn,
               const std::string& node,
               MemberView& member,
               const Report& report) {
  const bool is_short = IsShort(report, member.disk_is_short);
  if (is_short == member.disk_is_short) {
    return;
  }
  member.disk_is_short = is_short;
  const std::string free =
      absl::StrCat(report.disk_free_bytes >> 20, " of ", report.disk_bytes >> 20, " MiB are free");
  if (is_short) {
    turn.Note("disk-fills-up", node, absl::StrCat("its disk is ", Describe(report), ": ", free));
  } else {
    turn.Note("disk-has-room", node, absl::StrCat("its disk has room again: ", free));
  }
}

}  // namespace pgmahout::controller
