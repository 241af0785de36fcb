// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/order_watch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::guard {
namespace {

constexpr size_t kMaxBytes = 16 << 10;

}  // namespace

OrderWatch::OrderWatch(std::string path, std::string boot_id)
    : path_(std::move(path)), boot_id_(std::move(boot_id)) {
  // An unchanged file is read without the heap.
  text_.reserve(kMaxBytes);
  taken_.reserve(kMaxBytes);
}

absl::Status OrderWatch::Read() {
  text_.clear();
  // Non-blocking: a named pipe here must not stop the guard.
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (fd < 0) {
    return ErrnoStatus(errno, "cannot open it");
  }

  struct stat info {};

  const bool is_file = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  text_.resize(kMaxBytes);
  const ssize_t got = is_file ? read(fd, text_.data(), kMaxBytes) : 0;
  const int error = errno;
  close(fd);
  text_.resize(got > 0 ? static_cast<size_t>(got) : 0);
  if (!is_file) {
    return absl::DataLossError("it is no regular file");
  }
  return got < 0 ? ErrnoStatus(error, "cannot read it") : absl::OkStatus();
}

absl::Status OrderWatch::Take(BootTime now) {
  PGM_ASSIGN_OR_RETURN(GuardOrder order, DecodeGuardOrder(text_, boot_id_));
  if (order.armed && order.deadline > now + kMaxAhead) {
    return absl::DataLossError("its deadline is more than a day away");
  }
  order_ = std::move(order);
  return absl::OkStatus();
}

absl::Status OrderWatch::SayOnce(const absl::Status& problem) {
  // Before the first order, having none is normal.
  const bool is_normal =
      !order_.has_value() && (absl::IsNotFound(problem) || absl::IsFailedPrecondition(problem));
  if (is_normal || said_ == problem.message()) {
    return absl::OkStatus();
  }
  said_ = std::string(problem.message());
  const absl::string_view consequence =
      !order_.has_value() ? "There is no order to obey until the agent writes a whole one."
      : order_->armed     ? "The last valid order counts: its deadline still stands."
                          : "The last valid order counts: the guard is not armed.";
  return WithInfo(Annotate(problem, absl::StrCat("cannot use the guard's order \"", path_, "\"")),
                  ErrorInfo{"order-unusable", std::string(consequence),
                            "Let only the agent write that file; its next renewal replaces it."});
}

absl::Status OrderWatch::Poll(BootTime now) {
  const absl::Status read = Read();
  if (!read.ok()) {
    taken_.clear();
    return SayOnce(read);
  }
  if (!text_.empty() && text_ == taken_) {
    return absl::OkStatus();
  }
  taken_ = text_;
  const absl::Status taken = Take(now);
  if (!taken.ok()) {
    return SayOnce(taken);
  }
  said_.clear();
  return absl::OkStatus();
}

}  // namespace pgmahout::guard
