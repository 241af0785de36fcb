// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/guard_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/guard/sealed_lines.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::guard {
namespace {

constexpr size_t kMaxBytes = 16 << 10;
constexpr int64_t kNotYet = -1;

absl::StatusOr<BootTime> TimeIn(const SealedLines& lines, const std::string& name) {
  PGM_ASSIGN_OR_RETURN(const int64_t milliseconds, NumberIn(lines, name));
  return BootTime::FromMilliseconds(milliseconds);
}

absl::StatusOr<GuardReport> Decode(const std::string& text) {
  PGM_ASSIGN_OR_RETURN(const SealedLines lines, Unseal(text));
  GuardReport report;
  PGM_ASSIGN_OR_RETURN(report.boot_id, TextIn(lines, "boot_id"));
  PGM_ASSIGN_OR_RETURN(report.data_directory, TextIn(lines, "data_directory"));
  PGM_ASSIGN_OR_RETURN(report.epoch, UnsignedIn(lines, "epoch"));
  PGM_ASSIGN_OR_RETURN(report.deadline, TimeIn(lines, "deadline_ms"));
  PGM_ASSIGN_OR_RETURN(report.struck_at, TimeIn(lines, "struck_ms"));
  PGM_ASSIGN_OR_RETURN(report.struck_wall_ms, NumberIn(lines, "struck_wall_ms"));
  PGM_ASSIGN_OR_RETURN(const int64_t clear_ms, NumberIn(lines, "clear_ms"));
  if (clear_ms != kNotYet) {
    report.clear_at = BootTime::FromMilliseconds(clear_ms);
  }
  PGM_ASSIGN_OR_RETURN(report.killed, UnsignedIn(lines, "killed"));
  PGM_ASSIGN_OR_RETURN(report.left, UnsignedIn(lines, "left"));
  PGM_ASSIGN_OR_RETURN(const int64_t used_cgroup, NumberIn(lines, "used_cgroup"));
  report.used_cgroup = used_cgroup != 0;
  PGM_ASSIGN_OR_RETURN(report.problem, TextIn(lines, "problem"));
  return report;
}

}  // namespace

absl::Status WriteGuardReport(const std::string& path, const GuardReport& report) {
  const int64_t clear_ms = report.clear_at.has_value() ? report.clear_at->milliseconds() : kNotYet;
  const std::string text = Seal({
      {"boot_id", report.boot_id},
      {"data_directory", report.data_directory},
      {"epoch", absl::StrCat(report.epoch)},
      {"deadline_ms", absl::StrCat(report.deadline.milliseconds())},
      {"struck_ms", absl::StrCat(report.struck_at.milliseconds())},
      {"struck_wall_ms", absl::StrCat(report.struck_wall_ms)},
      {"struck_wall", FormatWallTime(report.struck_wall_ms)},  // for people
      {"late_ms", absl::StrCat(report.Late().count())},        // for people
      {"clear_ms", absl::StrCat(clear_ms)},
      {"killed", absl::StrCat(report.killed)},
      {"left", absl::StrCat(report.left)},
      {"used_cgroup", report.used_cgroup ? "1" : "0"},
      {"problem", absl::StrReplaceAll(report.problem, {{"\n", " "}})},
  });
  // Nothing in it is secret, and the agent may be another user than the guard.
  return WriteFileAtomically(path, text, 0644);
}

absl::StatusOr<GuardReport> ReadGuardReport(const std::string& path) {
  PGM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  absl::StatusOr<GuardReport> report = Decode(text);
  if (!report.ok()) {
    return Annotate(report.status(), absl::StrCat("cannot use the guard's report \"", path, "\""));
  }
  return report;
}

}  // namespace pgmahout::guard
