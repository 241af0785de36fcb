// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/control_data.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/base/subprocess.h"

namespace pgmahout::agent {
namespace {

constexpr Duration kTimeout{5'000};

std::string ValueOf(absl::string_view text, absl::string_view label) {
  for (const auto& line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, label)) {
      return std::string(absl::StripAsciiWhitespace(line.substr(label.size())));
    }
  }
  return "";
}

ControlData Parse(const std::string& text) {
  ControlData control;
  control.state = ValueOf(text, "Database cluster state:");
  (void)absl::SimpleAtoi(ValueOf(text, "Database system identifier:"), &control.system_identifier);
  (void)absl::SimpleAtoi(ValueOf(text, "Latest checkpoint's TimeLineID:"), &control.timeline);
  control.checkpoint_lsn = ParseLsn(ValueOf(text, "Latest checkpoint location:")).value_or(Lsn{});
  control.min_recovery_lsn =
      ParseLsn(ValueOf(text, "Minimum recovery ending location:")).value_or(Lsn{});
  (void)absl::SimpleAtoi(ValueOf(text, "Min recovery ending loc's timeline:"),
                         &control.min_recovery_timeline);
  return control;
}

}  // namespace

absl::StatusOr<ControlData> ReadControlData(const std::string& bin_directory,
                                            const std::string& data_directory) {
  Command command;
  command.argv = {bin_directory + "/pg_controldata", "-D", data_directory};
  command.environment = {{"LC_ALL", "C"}};
  command.timeout = kTimeout;
  PGM_ASSIGN_OR_RETURN(const CommandResult result, RunCommandOrFail(std::move(command)));
  return Parse(result.out);
}

}  // namespace pgmahout::agent
