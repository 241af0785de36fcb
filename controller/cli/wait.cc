// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/wait.h"

#include <condition_variable>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/wire/units.h"
#include "controller/cli/show.h"

namespace pgmahout::cli {
namespace {

constexpr Duration kReconnectPause{500};  // so that who refuses at once is not asked all the time

absl::Status TimedOut(const std::string& name, Duration timeout, const std::string& last_seen) {
  return WithInfo(
      absl::DeadlineExceededError(absl::StrCat("cluster \"", name, "\" is not there yet after ",
                                               FormatDuration(timeout), "; the work goes on")),
      ErrorInfo{
          "still-running",
          last_seen.empty() ? "No status was received." : absl::StrCat("Last seen: ", last_seen),
          absl::StrCat("Follow it: pgmahout watch ", name)});
}

// One stream, until `show` returns false, the stream ends, or `timeout` (none when zero).
absl::Status FollowCluster(const std::string& name,
                           Duration timeout,
                           const std::function<bool(const v1::ClusterStatus&)>& show,
                           Session* session) {
  PGM_ASSIGN_OR_RETURN(AdminStub * stub, session->Controller());
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  if (timeout > Duration(0)) {
    SetDeadline(timeout, &context);
  }
  v1::ClusterRequest request;
  request.set_name(name);
  const auto reader = stub->WatchCluster(&context, request);
  v1::ClusterStatus status;
  while (reader->Read(&status)) {
    if (!show(status)) {
      context.TryCancel();
      // Drain, then forget how the stream ends: we ended it.
      while (reader->Read(&status)) {
      }
      (void)reader->Finish();
      return absl::OkStatus();
    }
  }
  return FromGrpc(reader->Finish(), context);
}

}  // namespace

void Pause(Duration duration) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, duration, [] { return false; });
}

absl::Status WaitForCluster(const std::string& name, const Verdict& judge, Session* session) {
  const BootTime deadline = SystemClock().Now() + session->options.timeout;
  std::optional<absl::Status> verdict;
  std::string last_seen;
  const auto show = [&](const v1::ClusterStatus& status) {
    const std::string seen = DescribePhase(status);
    if (seen != last_seen) {
      session->streams.err << seen << std::endl;
      last_seen = seen;
    }
    verdict = judge(status);
    return !verdict.has_value();
  };
  while (true) {
    const Duration left = deadline - SystemClock().Now();
    if (left <= Duration(0)) {
      return TimedOut(name, session->options.timeout, last_seen);
    }
    const absl::Status followed = FollowCluster(name, left, show, session);
    if (verdict.has_value()) {
      return *verdict;
    }
    if (!followed.ok() && followed.code() != absl::StatusCode::kUnavailable &&
        followed.code() != absl::StatusCode::kDeadlineExceeded) {
      return followed;
    }
    Pause(std::min(kReconnectPause, std::max(Duration(0), deadline - SystemClock().Now())));
  }
}

absl::Status WaitUntilHealthy(const std::string& name, Session* session) {
  return WaitForCluster(
      name,
      [&name](const v1::ClusterStatus& status) -> std::optional<absl::Status> {
        if (status.phase() == "Healthy") {
          return absl::OkStatus();
        }
        if (status.phase() == "Paused") {
          return WithHint(
              absl::FailedPreconditionError(absl::StrCat(
                  "cluster \"", name, "\" is paused; nothing changes until it goes on")),
              status.phase_reason());
        }
        return std::nullopt;
      },
      session);
}

absl::Status WatchCluster(const std::string& name,
                          const std::function<bool(const v1::ClusterStatus&)>& show,
                          Session* session) {
  while (true) {
    absl::Status followed = FollowCluster(name, Duration(0), show, session);
    if (followed.code() != absl::StatusCode::kUnavailable) {
      return followed;
    }
    session->streams.err << "lost the connection to the controller; trying again" << std::endl;
    Pause(kReconnectPause);
  }
}

}  // namespace pgmahout::cli
