// SPDX-License-Identifier: Apache-2.0
// Files that are promised to somebody: written to a temporary name, fsynced, renamed, and the
// directory fsynced, so that after a crash either the old or the new content is there, whole.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pgmahout {

// Replaces `path` by `content`, durably. The temporary file lies beside it ("<path>.tmp") and is
// created with `mode`, so a secret is never readable by others for a moment.
absl::Status WriteFileDurably(const std::string& path, absl::string_view content, mode_t mode);

// Like WriteFileDurably, without the fsyncs: whole after a crash of the process, not of the
// machine.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, mode_t mode);

// The whole file. NotFound if there is none; ResourceExhausted above `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes = 64 << 20);

// Makes the entries of `directory` (created, renamed, removed files) durable.
absl::Status SyncDirectory(const std::string& directory);

// Creates `path` with `mode` and missing parents with 0755; fine if it is there already.
absl::Status MakeDirectories(const std::string& path, mode_t mode);

}  // namespace pgmahout
