// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/guard_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/guard/sealed_lines.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::guard {
namespace {

// An order has a few hundred bytes; paths are at most 4 KiB each.
constexpr size_t kMaxBytes = 16 << 10;

bool IsAbsolute(const std::string& path) {
  return !path.empty() && path[0] == '/';
}

absl::Status Check(const GuardOrder& order) {
  if ((order.data_directory + order.cgroup).find('\n') != std::string::npos) {
    return absl::InvalidArgumentError("a path in an order for the guard has a line break");
  }
  if (!order.armed) {
    return absl::OkStatus();
  }
  if (!IsAbsolute(order.data_directory) ||
      order.data_directory.find_first_not_of('/') == std::string::npos) {
    return WithHint(absl::InvalidArgumentError(absl::StrCat(
                        "cannot arm the guard for data directory \"", order.data_directory, "\"")),
                    "The path must be absolute and not the root directory.");
  }
  if (order.deadline <= BootTime()) {
    return absl::InvalidArgumentError("cannot arm the guard without a deadline");
  }
  if (!order.cgroup.empty() && !IsAbsolute(order.cgroup)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot arm the guard with cgroup \"", order.cgroup, "\": not absolute"));
  }
  return absl::OkStatus();
}

}  // namespace

GuardFile::GuardFile(std::string path, std::string boot_id)
    : path_(std::move(path)), boot_id_(std::move(boot_id)) {}

absl::StatusOr<GuardFile> GuardFile::Open(const std::string& path) {
  if (!IsAbsolute(path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the guard's order file \"", path, "\" is not an absolute path"));
  }
  const std::string directory = std::filesystem::path(path).parent_path().string();

  struct stat info {};

  if (stat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return absl::NotFoundError(
        absl::StrCat("cannot write \"", path, "\": \"", directory, "\" is no directory"));
  }
  std::string boot_id = BootId();
  if (boot_id.empty()) {
    return WithHint(absl::FailedPreconditionError("the kernel does not tell its boot id"),
                    "The guard needs /proc/sys/kernel/random/boot_id.");
  }
  return GuardFile(path, std::move(boot_id));
}

absl::Status GuardFile::Write(const GuardOrder& order) {
  PGM_RETURN_IF_ERROR(Check(order));
  return WriteFileAtomically(path_, EncodeGuardOrder(order, boot_id_), 0600);
}

std::string EncodeGuardOrder(const GuardOrder& order, const std::string& boot_id) {
  return Seal({{"boot_id", boot_id},
               {"armed", order.armed ? "1" : "0"},
               {"data_directory", order.data_directory},
               {"cgroup", order.cgroup},
               {"deadline_ms", absl::StrCat(order.deadline.milliseconds())},
               {"epoch", absl::StrCat(order.epoch)}});
}

absl::StatusOr<GuardOrder> DecodeGuardOrder(absl::string_view text, const std::string& boot_id) {
  PGM_ASSIGN_OR_RETURN(const SealedLines lines, Unseal(text));
  PGM_ASSIGN_OR_RETURN(const std::string written_in, TextIn(lines, "boot_id"));
  if (written_in != boot_id) {
    return absl::FailedPreconditionError("the order was written in another boot");
  }
  PGM_ASSIGN_OR_RETURN(const int64_t armed, NumberIn(lines, "armed"));
  PGM_ASSIGN_OR_RETURN(const int64_t deadline, NumberIn(lines, "deadline_ms"));
  GuardOrder order;
  PGM_ASSIGN_OR_RETURN(order.data_directory, TextIn(lines, "data_directory"));
  PGM_ASSIGN_OR_RETURN(order.cgroup, TextIn(lines, "cgroup"));
  PGM_ASSIGN_OR_RETURN(order.epoch, UnsignedIn(lines, "epoch"));
  order.armed = armed != 0;
  order.deadline = BootTime::FromMilliseconds(deadline);
  return order;
}

absl::StatusOr<GuardOrder> ReadGuardOrder(const std::string& path, const std::string& boot_id) {
  PGM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  absl::StatusOr<GuardOrder> order = DecodeGuardOrder(text, boot_id);
  if (!order.ok()) {
    return Annotate(order.status(), absl::StrCat("cannot use the guard's order \"", path, "\""));
  }
  return order;
}

}  // namespace pgmahout::guard
