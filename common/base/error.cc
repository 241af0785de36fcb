// SPDX-License-Identifier: Apache-2.0
#include "common/base/error.h"

#include <cerrno>
#include <system_error>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace pgmahout {
namespace {

constexpr absl::string_view kPayloadUrl = "pgmahout/error-info";
constexpr char kSeparator = '\x1f';  // ASCII unit separator: in no message of ours

absl::StatusCode CodeFor(int error_number) {
  switch (error_number) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

absl::Status WithInfo(absl::Status status, const ErrorInfo& info) {
  if (status.ok()) {
    return status;
  }
  ErrorInfo merged = InfoOf(status);
  if (!info.reason.empty()) {
    merged.reason = info.reason;
  }
  if (!info.detail.empty()) {
    merged.detail = info.detail;
  }
  if (!info.hint.empty()) {
    merged.hint = info.hint;
  }
  const std::string separator(1, kSeparator);
  status.SetPayload(kPayloadUrl, absl::Cord(absl::StrCat(merged.reason, separator, merged.detail,
                                                         separator, merged.hint)));
  return status;
}

ErrorInfo InfoOf(const absl::Status& status) {
  const std::vector<std::string> parts = absl::StrSplit(EncodeInfo(status), kSeparator);
  if (parts.size() != 3) {
    return {};
  }
  return ErrorInfo{parts[0], parts[1], parts[2]};
}

std::string EncodeInfo(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  return payload.has_value() ? std::string(*payload) : std::string();
}

absl::Status DecodeInfo(absl::Status status, absl::string_view encoded) {
  if (!status.ok() && !encoded.empty()) {
    status.SetPayload(kPayloadUrl, absl::Cord(encoded));
  }
  return status;
}

absl::Status Annotate(const absl::Status& status, absl::string_view what) {
  if (status.ok()) {
    return status;
  }
  return DecodeInfo(absl::Status(status.code(), absl::StrCat(what, ": ", status.message())),
                    EncodeInfo(status));
}

std::string FormatError(const absl::Status& status) {
  const ErrorInfo info = InfoOf(status);
  std::string text = absl::StrCat("error:  ", status.message(), "\n");
  if (!info.detail.empty()) {
    absl::StrAppend(&text, "detail: ", info.detail, "\n");
  }
  if (!info.hint.empty()) {
    absl::StrAppend(&text, "hint:   ", info.hint, "\n");
  }
  return text;
}

absl::Status ErrnoStatus(int error_number, absl::string_view what) {
  return absl::Status(CodeFor(error_number),
                      absl::StrCat(what, ": ", std::generic_category().message(error_number)));
}

}  // namespace pgmahout
