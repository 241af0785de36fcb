// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/exit_code.h"

#include "common/base/error.h"

namespace pgmahout::cli {
namespace {

constexpr char kDeclinedReason[] = "declined";

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kUsage;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
      return ExitCode::kPrecondition;
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kTimedOut;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitCode::kUnreachable;
    default:
      return InfoOf(status).reason == kDeclinedReason ? ExitCode::kDeclined : ExitCode::kFailed;
  }
}

absl::Status DeclinedError(absl::string_view message, absl::string_view hint) {
  return WithInfo(absl::CancelledError(message), ErrorInfo{kDeclinedReason, "", std::string(hint)});
}

}  // namespace pgmahout::cli
