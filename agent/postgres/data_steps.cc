// SPDX-License-Identifier: Apache-2.0
// Making, copying and rewinding data directories. A directory gets its name only when it is whole;
// nothing here removes a directory that was ever in use, but RemoveOldData.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/core/config_file.h"
#include "agent/postgres/step_run.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

constexpr Duration kInitTimeout{120'000};
constexpr Duration kBackupTimeout{24 * 3600 * 1000};
constexpr Duration kRewindTimeout{6 * 3600 * 1000};
constexpr Duration kStopBeforeCopy{25'000};

// False: there is nothing to make. A directory that is whole and was never used was made by a run
// that was cut short before it was remembered. One that was used is somebody's data.
absl::StatusOr<bool> BeginDirectory(const StepRun& run) {
  std::error_code error;
  // The postmaster writes that file when it starts, and no copy takes it along.
  if (fs::exists(run.DataDirectory() + "/postmaster.opts", error)) {
    return WithInfo(absl::FailedPreconditionError(absl::StrCat(
                        "\"", run.DataDirectory(), "\" holds data that this agent does not know")),
                    ErrorInfo{"foreign-data", "It is left untouched.",
                              "Restore the agent's state directory, or move the data away."});
  }
  if (fs::exists(run.DataDirectory() + "/PG_VERSION", error)) {
    return false;
  }
  const std::string partial = run.layout.PartialDirectory(run.step.memory.data_number);
  fs::remove_all(partial, error);
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("cannot remove leftovers in \"", partial, "\""));
  }
  PGM_RETURN_IF_ERROR(MakeDirectories(run.layout.config().data_root, 0700));
  return true;
}

absl::Status FinishDirectory(const StepRun& run) {
  const std::string partial = run.layout.PartialDirectory(run.step.memory.data_number);
  PGM_RETURN_IF_ERROR(SyncDirectory(partial));
  if (rename(partial.c_str(), run.DataDirectory().c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot rename \"", partial, "\""));
  }
  return SyncDirectory(run.layout.config().data_root);
}

absl::Status AppendInclude(const std::string& directory) {
  const std::string path = directory + "/postgresql.conf";
  PGM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return WriteFileDurably(path,
                          text +
                              "\n# pgmahout-agent keeps its settings in this file:\n"
                              "include_if_exists = 'pgmahout.conf'\n",
                          0600);
}

// " 34567/89012 kB (38%), 0/1 tablespace" as pg_basebackup -P prints it.
void ReportPercentage(const StepRun& run, absl::string_view what, absl::string_view text) {
  const size_t percent = text.rfind("%)");
  const size_t open = text.rfind('(', percent);
  if (percent != absl::string_view::npos && open != absl::string_view::npos) {
    run.progress(absl::StrCat(
        what, " ", absl::StripAsciiWhitespace(text.substr(open + 1, percent - open - 1)), "%"));
  }
}

// The number of the directory that was in use before.
std::string FormerDirectory(const StepRun& run) {
  return run.layout.DataDirectory(run.step.memory.data_number - 1);
}

// "TTTTTTTTLLLLLLLLSSSSSSSS" of a file of `bytes` bytes: where it begins. Nothing for other names.
std::optional<Lsn> StartOfSegment(const std::string& name, uint64_t bytes) {
  uint32_t log = 0;
  uint32_t segment = 0;
  if (name.size() != 24 || !absl::SimpleHexAtoi(name.substr(8, 8), &log) ||
      !absl::SimpleHexAtoi(name.substr(16, 8), &segment)) {
    return std::nullopt;
  }
  return Lsn{(uint64_t{log} << 32) + uint64_t{segment} * bytes};
}

// A recycled segment has the name of WAL to come and still holds old WAL. The first page says which
// position it is for (access/xlog_internal.h, XLogPageHeaderData: xlp_pageaddr).
bool HoldsItsOwnWal(const fs::path& path, Lsn start) {
  struct {
    uint16_t magic;
    uint16_t info;
    uint32_t timeline;
    uint64_t address;
  } header{};

  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  return file.good() && header.address == start.value;
}

// Segments that may hold what the new timeline does not have. Copies, not links: pg_rewind writes
// into the files.
absl::Status SaveDivergedWal(const StepRun& run) {
  const std::string wal = run.DataDirectory() + "/pg_wal";
  const std::string target = run.layout.DivergedDirectory(run.step.memory.epoch);
  PGM_RETURN_IF_ERROR(MakeDirectories(target, 0700));
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(wal, error)) {
    const std::string name = entry.path().filename().string();
    const uint64_t bytes = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    const std::optional<Lsn> start = StartOfSegment(name, bytes);
    if (start.has_value() && start->value + bytes > run.desired.fork_lsn.value &&
        HoldsItsOwnWal(entry.path(), *start)) {
      fs::copy_file(entry.path(), fs::path(target) / name, fs::copy_options::overwrite_existing,
                    error);
    }
    if (error) {
      return ErrnoStatus(error.value(), absl::StrCat("cannot save diverged WAL of \"", wal, "\""));
    }
  }
  return absl::OkStatus();
}

// Whether the server's configuration says how to get WAL from the archive, so that pg_rewind can
// use it for what is no longer in pg_wal.
bool CanRestoreWal(const StepRun& run) {
  const absl::StatusOr<std::string> config = ReadFile(run.layout.ConfigFile(run.DataDirectory()));
  return config.ok() && absl::StrContains(*config, "\nrestore_command = '") &&
         !absl::StrContains(*config, "\nrestore_command = ''\n");
}

// The packages come when a cluster needs them.
absl::Status EnsureInstalled(const StepRun& run) {
  PGM_ASSIGN_OR_RETURN(const std::string postgres, run.Program("postgres"));
  if (access(postgres.c_str(), X_OK) == 0) {
    return absl::OkStatus();
  }
  const uint32_t major = run.desired.spec.postgres_major;
  run.progress(absl::StrCat("installing PostgreSQL ", major));
  PGM_RETURN_IF_ERROR(run.control.InstallServer(major));
  if (access(postgres.c_str(), X_OK) != 0) {
    return WithHint(absl::FailedPreconditionError(absl::StrCat(
                        "PostgreSQL ", major, " was installed, but \"", postgres, "\" is missing")),
                    "Name its bin directory in agent.yaml: postgres.binDirs.");
  }
  return absl::OkStatus();
}

absl::Status WriteStandbySignal(const std::string& directory) {
  return WriteFileDurably(Layout::StandbySignal(directory), "", 0600);
}

}  // namespace

absl::Status Initialize(const StepRun& run) {
  PGM_ASSIGN_OR_RETURN(const bool needed, BeginDirectory(run));
  if (!needed) {
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(EnsureInstalled(run));
  const std::string partial = run.layout.PartialDirectory(run.step.memory.data_number);
  PGM_ASSIGN_OR_RETURN(const std::string initdb, run.Program("initdb"));
  run.progress("initdb");
  PGM_RETURN_IF_ERROR(
      RunCommandOrFail(run.NewCommand({initdb, "-D", partial, "-U", "postgres", "--data-checksums",
                                       "--encoding=UTF8", "--locale=C.UTF-8", "--auth-local=peer",
                                       "--auth-host=scram-sha-256"},
                                      kInitTimeout))
          .status());
  if (!run.layout.IsDebian()) {
    PGM_RETURN_IF_ERROR(AppendInclude(partial));
  }
  return FinishDirectory(run);
}

absl::Status BaseBackup(const StepRun& run) {
  PGM_ASSIGN_OR_RETURN(const bool needed, BeginDirectory(run));
  if (needed) {
    PGM_RETURN_IF_ERROR(EnsureInstalled(run));
    PGM_RETURN_IF_ERROR(PrepareSupportFiles(run));
    const std::string partial = run.layout.PartialDirectory(run.step.memory.data_number);
    PGM_ASSIGN_OR_RETURN(const std::string program, run.Program("pg_basebackup"));
    Command command =
        run.NewCommand({program, "-D", partial, "-X", "stream", "-R", "-S", run.step.slot, "-c",
                        "fast", "-P", "--no-password", "-d",
                        // Not a node's name: a copy that is being made confirms no commits.
                        run.Conninfo(run.step.upstream,
                                     absl::StrCat("pgmahout_clone_", run.layout.config().node))},
                       kBackupTimeout);
    command.on_stderr = [&run](absl::string_view text) {
      ReportPercentage(run, "base backup", text);
    };
    run.progress("base backup 0%");
    PGM_RETURN_IF_ERROR(RunCommandOrFail(std::move(command)).status());
    PGM_RETURN_IF_ERROR(StripAutoConf(partial));
    PGM_RETURN_IF_ERROR(WriteStandbySignal(partial));
    PGM_RETURN_IF_ERROR(FinishDirectory(run));
  }
  return StopServer(run, FormerDirectory(run));
}

absl::Status Rewind(const StepRun& run) {
  const std::string directory = run.DataDirectory();
  PGM_RETURN_IF_ERROR(StopServer(run, directory));
  PGM_ASSIGN_OR_RETURN(const std::string program, run.Program("pg_rewind"));
  if (access(program.c_str(), X_OK) != 0) {
    return WithHint(absl::UnimplementedError(absl::StrCat("\"", program, "\" is not installed")),
                    "The data directory is copied anew instead.");
  }
  PGM_RETURN_IF_ERROR(PrepareSupportFiles(run));
  PGM_RETURN_IF_ERROR(SaveDivergedWal(run));
  // From here on the directory is neither the old nor the new one until pg_rewind is done.
  PGM_RETURN_IF_ERROR(WriteFileDurably(Layout::RewindMark(directory), "", 0600));
  Command command = run.NewCommand(
      {program, "--target-pgdata", directory, "--source-server",
       absl::StrCat(run.Conninfo(run.step.upstream, "pgmahout_rewind"), " dbname=postgres"),
       "--progress"},
      kRewindTimeout);
  if (CanRestoreWal(run)) {
    command.argv.push_back("--restore-target-wal");
  }
  command.on_stderr = [&run](absl::string_view text) { ReportPercentage(run, "rewind", text); };
  run.progress("rewind");
  PGM_RETURN_IF_ERROR(RunCommandOrFail(std::move(command)).status());
  PGM_RETURN_IF_ERROR(StripAutoConf(directory));
  PGM_RETURN_IF_ERROR(WriteStandbySignal(directory));
  if (unlink(Layout::RewindMark(directory).c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, "cannot remove the mark of a rewind");
  }
  return SyncDirectory(run.layout.config().data_root);
}

absl::Status MarkStandby(const StepRun& run) {
  return WriteStandbySignal(run.DataDirectory());
}

absl::Status RemoveOldData(const StepRun& run) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run.layout.config().data_root, error)) {
    const std::string name = entry.path().filename().string();
    const std::optional<uint64_t> number = Layout::NumberOf(name);
    if (number.has_value() && *number < run.step.memory.data_number &&
        FindServerProcesses(entry.path().string()).empty()) {
      fs::remove_all(entry.path(), error);
      unlink(Layout::RewindMark(entry.path().string()).c_str());
    }
    if (error) {
      return ErrnoStatus(error.value(), absl::StrCat("cannot remove \"", name, "\""));
    }
  }
  return absl::OkStatus();
}

absl::Status StartServer(const StepRun& run) {
  if (FindPostmaster(run.DataDirectory()) != 0) {
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(PrepareSupportFiles(run));
  PGM_ASSIGN_OR_RETURN(const ServerPaths paths, run.Paths(run.DataDirectory()));
  return run.control.Start(paths);
}

absl::Status StopServer(const StepRun& run, const std::string& data_directory) {
  const pid_t postmaster = FindPostmaster(data_directory);
  PGM_ASSIGN_OR_RETURN(const ServerPaths paths, run.Paths(data_directory));
  if (postmaster == 0) {
    return KillServerProcesses(data_directory, kStopBeforeCopy);
  }
  PGM_RETURN_IF_ERROR(run.control.RequestStop(paths));
  const BootTime deadline = SystemClock().Now() + std::min(run.step.kill_after, kStopBeforeCopy);
  constexpr Duration kLook{50};
  while (!WaitForEnd(postmaster, kLook)) {
    if (run.cancelled) {
      return absl::CancelledError("cancelled");
    }
    if (SystemClock().Now() >= deadline) {
      break;
    }
  }
  // Also after a clean end: a child may have outlived its postmaster.
  return run.control.Kill(paths, kStopBeforeCopy);
}

}  // namespace pgmahout::agent
