// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/hand_edits.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/durable_file.h"
#include "common/base/fingerprint.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

std::string Digest(const std::string& content) {
  return absl::StrFormat("%016x\n", Fingerprint(content));
}

std::string RecordOf(const std::string& path, const std::string& directory) {
  return absl::StrCat(directory, "/", std::filesystem::path(path).filename().string());
}

// Without a record nobody knows: a new server's own files are not worth a warning.
bool IsEdited(const std::string& text, const std::string& record) {
  const absl::StatusOr<std::string> written = ReadFile(record, 64);
  return written.ok() && *written != Digest(text);
}

}  // namespace

absl::Status ReplaceKeepingEdits(const std::string& path,
                                 const std::string& content,
                                 mode_t mode,
                                 const std::string& record_directory) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (text.ok() && *text == content) {
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(MakeDirectories(record_directory, 0700));
  const std::string record = RecordOf(path, record_directory);
  if (text.ok() && !text->empty() && IsEdited(*text, record)) {
    const std::string kept = path + ".edited";
    PGM_RETURN_IF_ERROR(WriteFileDurably(kept, *text, 0600));
    LogWarning("a file of pgmahout's was changed by hand; it is put back, the edit is kept beside",
               {{"file", path}, {"edit", kept}});
  }
  PGM_RETURN_IF_ERROR(WriteFileDurably(path, content, mode));
  return WriteFileAtomically(record, Digest(content), 0600);
}

}  // namespace pgmahout::agent
