// SPDX-License-Identifier: Apache-2.0
// PostgreSQL's error anatomy on top of absl::Status: a primary message, a detail, a hint and a
// stable reason. The three extras travel as one Status payload, through gRPC and into the CLI.
//
// The primary message is lower case without a full stop; detail and hint are sentences
// (PostgreSQL docs, "Error Message Style Guide").
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pgmahout {

struct ErrorInfo {
  std::string reason;  // stable, for programs: "unknown-field"
  std::string detail;  // what was seen
  std::string hint;    // what the person can do
};

// `status` with `info` attached. An OK status is returned as it is.
absl::Status WithInfo(absl::Status status, const ErrorInfo& info);

inline absl::Status WithHint(absl::Status status, absl::string_view hint) {
  return WithInfo(std::move(status), ErrorInfo{"", "", std::string(hint)});
}

// What WithInfo attached; empty fields where nothing was.
ErrorInfo InfoOf(const absl::Status& status);

// The payload as bytes, for transports that carry a Status themselves. Empty when there is none.
std::string EncodeInfo(const absl::Status& status);
absl::Status DecodeInfo(absl::Status status, absl::string_view encoded);

// `status` with "what: " before its message; code and info are kept.
absl::Status Annotate(const absl::Status& status, absl::string_view what);

// "error:  ...\ndetail: ...\nhint:   ...\n" as the CLI and the daemons print it.
std::string FormatError(const absl::Status& status);

// A Status for the errno value of a failed call: "cannot open \"/x\": Permission denied".
absl::Status ErrnoStatus(int error_number, absl::string_view what);

}  // namespace pgmahout
