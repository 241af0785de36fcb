// SPDX-License-Identifier: Apache-2.0
// Taking over a server that runs, and letting go of one. Neither stops it, and neither removes
// anything that was there before.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/core/config_file.h"
#include "agent/core/release.h"
#include "agent/postgres/debian_cluster.h"
#include "agent/postgres/hand_edits.h"
#include "agent/postgres/step_run.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

mode_t ModeOf(const std::string& path) {
  struct stat info {};

  return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0600;
}

std::string TextOf(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() ? *std::move(text) : std::string();
}

bool IsThere(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

// The directory stays where it is; we call it pgdata.1, as we would one of our own.
absl::Status NameDirectory(const StepRun& run) {
  const std::string& existing = run.step.existing;
  const std::string name = run.DataDirectory();
  std::error_code error;
  if (fs::equivalent(name, existing, error)) {
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(MakeDirectories(run.layout.config().data_root, 0700));
  if (symlink(existing.c_str(), name.c_str()) != 0) {
    return WithHint(
        ErrnoStatus(errno, absl::StrCat("cannot name \"", existing, "\" \"", name, "\"")),
        "If other data have that name, move them away.");
  }
  return SyncDirectory(run.layout.config().data_root);
}

absl::Status KeepBefore(const std::string& path) {
  const std::string kept = Layout::Before(path);
  if (IsThere(kept) || !IsThere(path)) {
    return absl::OkStatus();
  }
  PGM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return WriteFileDurably(kept, text, ModeOf(path));
}

// Behind everything that sets something else, conf.d included.
absl::Status IncludeOurs(const StepRun& run, const std::string& directory) {
  const std::string path = run.layout.MainConfigFile(directory);
  PGM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const std::string include = absl::StrCat(kIncludeMark, "\ninclude_if_exists = '",
                                           fs::path(run.layout.ConfigFile(directory))
                                               .lexically_relative(fs::path(path).parent_path())
                                               .string(),
                                           "'\n");
  if (absl::EndsWith(text, include)) {
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(KeepBefore(path));
  return WriteFileDurably(path, absl::StrCat(text, "\n", include), ModeOf(path));
}

// At boot nobody but the agent may start what could be a stale primary.
absl::Status TakeOverStart(const StepRun& run, const std::string& directory) {
  if (!run.layout.IsDebian()) {
    return absl::OkStatus();
  }
  const std::string path = run.layout.StartConfFile();
  PGM_RETURN_IF_ERROR(KeepBefore(path));
  PGM_RETURN_IF_ERROR(WriteFileDurably(path, "manual\n", 0644));
  return IsThere(directory + "/postgresql.conf") ? absl::OkStatus()
                                                 : LeaveConfigurationBehind(directory);
}

absl::Status PutBack(const std::string& path, const std::string& content) {
  const std::string kept = Layout::Before(path);
  PGM_RETURN_IF_ERROR(WriteFileDurably(path, content, ModeOf(path)));
  if (unlink(kept.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("cannot remove \"", kept, "\""));
  }
  return absl::OkStatus();
}

// Systemd's own answer for a server that nobody looks after.
absl::Status LetGoOfStart(const StepRun& run) {
  if (!run.layout.IsDebian()) {
    return absl::OkStatus();
  }
  const std::string path = run.layout.StartConfFile();
  const std::string before = TextOf(Layout::Before(path));
  return PutBack(path, before.empty() ? "auto\n" : before);
}

}  // namespace

absl::Status Adopt(const StepRun& run) {
  const std::string& directory = run.step.existing;
  PGM_RETURN_IF_ERROR(PrepareSupportFiles(run));
  const std::string hba = run.layout.HbaFile(directory);
  if (!IsOurHba(TextOf(hba))) {
    PGM_RETURN_IF_ERROR(KeepBefore(hba));
  }
  PGM_RETURN_IF_ERROR(IncludeOurs(run, directory));
  PGM_RETURN_IF_ERROR(TakeOverStart(run, directory));
  return NameDirectory(run);  // last: from here on it is ours
}

absl::Status LetGo(const StepRun& run) {
  const std::string directory = run.DataDirectory();
  const std::string hba = run.layout.HbaFile(directory);
  PGM_RETURN_IF_ERROR(PutBack(hba, RenderReleasedHba(TextOf(hba), TextOf(Layout::Before(hba)))));
  PGM_RETURN_IF_ERROR(LetGoOfStart(run));
  PGM_RETURN_IF_ERROR(ReplaceKeepingEdits(run.layout.ConfigFile(directory), run.step.config,
                                          run.layout.ConfigMode(), run.layout.RecordDirectory()));
  return FindPostmaster(directory) == 0 ? absl::OkStatus()
                                        : ReloadAndWait(run, ConfigIdOf(run.step.config));
}

}  // namespace pgmahout::agent
