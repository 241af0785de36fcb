// SPDX-License-Identifier: Apache-2.0
// Hand edits: a file of ours that somebody has changed is put back; the edit is not thrown away.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"

namespace pgmahout::agent {

// Replaces `path` by `content`, durably, if it differs. What is there and was not written by this
// function first moves to `path`.edited, with a warning in the log. `record_directory` remembers
// what was written last; it must be the agent's own. Not thread-safe for one path.
absl::Status ReplaceKeepingEdits(const std::string& path,
                                 const std::string& content,
                                 mode_t mode,
                                 const std::string& record_directory);

}  // namespace pgmahout::agent
