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
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/core/config_file.h"
#include "agent/postgres/diverged_wal.h"
#include "agent/postgres/hidden_wal.h"
#include "agent/postgres/step_run.h"
#include "agent/postgres/timelines.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/lasting_job.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

constexpr Duration kInitTimeout{120'000};
constexpr Duration kBackupTimeout{24 * 3600 * 1000};
constexpr Duration kRewindTimeout{6 * 3600 * 1000};
constexpr Duration kStopBeforeCopy{25'000};
constexpr Duration kCheckpointPatience{30 * 60'000};
constexpr Duration kAskTimeout{10'000};

// False: there is nothing to make. A directory that is whole and was never used was made by a run
// that was cut short before it was remembered. One that was used is somebody's data.
absl::StatusOr<bool> DirectoryIsNeeded(const StepRun& run) {
  std::error_code error;
  // The postmaster writes that file when it starts, and no copy takes it along.
  if (fs::exists(run.DataDirectory() + "/postmaster.opts", error)) {
    return WithInfo(absl::FailedPreconditionError(absl::StrCat(
                        "\"", run.DataDirectory(), "\" holds data that this agent does not know")),
                    ErrorInfo{"foreign-data", "It is left untouched.",
                              "Restore the agent's state directory, or move the data away."});
  }
  return !fs::exists(run.DataDirectory() + "/PG_VERSION", error);
}

// Ends a base backup that may still be at work there, and removes what it has left.
absl::Status ClearPartialDirectory(const StepRun& run) {
  PGM_RETURN_IF_ERROR(LastingJob::End(run.layout.CopyJob()));
  std::error_code error;
  const std::string partial = run.layout.PartialDirectory(run.step.memory.data_number);
  fs::remove_all(partial, error);
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("cannot remove leftovers in \"", partial, "\""));
  }
  return MakeDirectories(run.layout.config().data_root, 0700);
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

// A former primary that is copied anew, without a rewind that has kept its WAL already.
bool MayHoldDivergedWal(const std::string& directory) {
  std::error_code error;
  return fs::exists(directory + "/PG_VERSION", error) &&
         !fs::exists(Layout::StandbySignal(directory), error) &&
         !fs::exists(Layout::RewindMark(directory), error);
}

// pg_rewind compares the numbers of timelines only, and takes the source's from its last
// checkpoint. Where it finds the same, it leaves diverged WAL in place and calls that success.
absl::Status CheckThatItRewound(const CommandResult& result) {
  if (!absl::StrContains(result.err, "on the same timeline")) {
    return absl::OkStatus();
  }
  return WithInfo(absl::FailedPreconditionError(
                      "pg_rewind found nothing to do, as both servers name the same timeline"),
                  ErrorInfo{"not-rewound", "That does not mean that their WAL is the same.",
                            "The data directory is copied anew instead."});
}

// "pg_rewind: servers diverged at WAL location 0/3000148 on timeline 1".
Lsn ForkFrom(absl::string_view text) {
  constexpr absl::string_view kLabel = "diverged at WAL location ";
  const size_t at = text.find(kLabel);
  if (at == absl::string_view::npos) {
    return Lsn{};
  }
  const absl::string_view rest = text.substr(at + kLabel.size());
  return ParseLsn(rest.substr(0, rest.find(' '))).value_or(Lsn{});
}

// Whether the server's configuration says how to get WAL from the archive, so that pg_rewind can
// use it for what is no longer in pg_wal.
bool CanRestoreWal(const StepRun& run) {
  const absl::StatusOr<std::string> config = ReadFile(run.layout.ConfigFile(run.DataDirectory()));
  return config.ok() && absl::StrContains(*config, "\nrestore_command = '") &&
         !absl::StrContains(*config, "\nrestore_command = ''\n");
}

// The new directory knows the history of the upstream.
absl::Status RecordForkFromHistory(const StepRun& run) {
  const std::optional<DivergedWal> range = ReadDivergedWal(run.layout, run.step.memory.epoch);
  if (!range.has_value() || range->from.valid()) {
    return absl::OkStatus();
  }
  const auto ends = EndsOfTimelines(run.DataDirectory(), run.desired.upstream_timeline);
  const auto end = ends.find(range->timeline);
  return end == ends.end() ? absl::OkStatus() : RecordFork(run, end->second);
}

// The files in a data directory that this agent writes. pg_rewind brings those of the source, which
// would look as if a person had changed ours.
class OwnFiles {
 public:
  explicit OwnFiles(const StepRun& run) {
    const std::string directory = run.DataDirectory();
    for (const auto& [path, mode] :
         {std::pair(run.layout.ConfigFile(directory), run.layout.ConfigMode()),
          std::pair(run.layout.HbaFile(directory), mode_t{0600})}) {
      if (absl::StatusOr<std::string> text = ReadFile(path); text.ok()) {
        files_.push_back(File{path, *std::move(text), mode});
      }
    }
  }

  absl::Status PutBack() const {
    for (const File& file : files_) {
      PGM_RETURN_IF_ERROR(WriteFileDurably(file.path, file.text, file.mode));
    }
    return absl::OkStatus();
  }

 private:
  struct File {
    std::string path;
    std::string text;
    mode_t mode;
  };

  std::vector<File> files_;
};

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

// The same words for another agent that wants the same copy. What a name may come to mean in
// another epoch or cluster is in the purpose.
LastingCommand CopyCommand(const StepRun& run,
                           const std::string& program,
                           const std::string& partial) {
  LastingCommand command;
  command.argv = {
      program, "-D", partial, "-X", "stream", "-R", "-S", run.step.slot, "-c", "fast", "-P",
      "--no-password", "-d",
      // Not a node's name: a copy that is being made confirms no commits.
      run.Conninfo(run.step.upstream, absl::StrCat("pgmahout_clone_", run.layout.config().node))};
  command.environment = {{"LC_ALL", "C"}};
  command.path = run.layout.CopyJob();
  command.purpose = absl::StrCat("cluster ", run.step.memory.cluster, " system ",
                                 run.desired.system_identifier, " epoch ", run.step.memory.epoch);
  return command;
}

absl::Status AwaitCopy(const StepRun& run, const LastingJob& job) {
  JobWatch watch;
  watch.timeout = kBackupTimeout;
  watch.cancelled = &run.cancelled;
  watch.on_output = [&run](absl::string_view text) { ReportPercentage(run, "base backup", text); };
  return job.Wait(std::move(watch));
}

// The copy outlives this agent: the next one goes on with the one that runs, or has ended well
// meanwhile. What ended otherwise begins anew.
absl::Status CopyInto(const StepRun& run, const std::string& partial) {
  PGM_ASSIGN_OR_RETURN(const std::string program, run.Program("pg_basebackup"));
  const LastingCommand command = CopyCommand(run, program, partial);
  run.progress("base backup 0%");
  std::optional<LastingJob> job = LastingJob::Find(command);
  if (!job.has_value()) {
    PGM_RETURN_IF_ERROR(ClearPartialDirectory(run));
    PGM_RETURN_IF_ERROR(EnsureInstalled(run));
    PGM_RETURN_IF_ERROR(PrepareSupportFiles(run));
    PGM_ASSIGN_OR_RETURN(job, LastingJob::Start(command));
  }
  absl::Status copied = AwaitCopy(run, *job);
  std::error_code error;
  if (copied.ok() && !fs::exists(partial + "/PG_VERSION", error)) {
    copied = absl::DataLossError(absl::StrCat("the copy in \"", partial, "\" has been removed"));
  }
  if (!copied.ok()) {
    PGM_RETURN_IF_ERROR(LastingJob::End(run.layout.CopyJob()));  // the next try is a new one
  }
  return copied;
}

// pg_rewind reads the upstream's timeline from its control file, which the first checkpoint after a
// promotion writes; on a large server that takes a while. It is worth more than a copy.
absl::Status WaitForUpstreamsCheckpoint(const StepRun& run) {
  const BootTime give_up = SystemClock().Now() + kCheckpointPatience;
  ConnectionWords words = run.Words(run.step.upstream, "pgmahout_rewind");
  words.emplace_back("dbname", "postgres");
  while (run.desired.upstream_timeline > 0 && !run.cancelled) {
    const BootTime deadline = SystemClock().Now() + kAskTimeout;
    PGM_ASSIGN_OR_RETURN(Session session, Session::Open(words, deadline, &run.cancelled));
    PGM_ASSIGN_OR_RETURN(
        const Rows rows,
        session.Query("SELECT timeline_id, pg_sleep(0.1) FROM pg_control_checkpoint()", deadline));
    uint32_t timeline = 0;
    if (rows.size() == 1 && absl::SimpleAtoi(rows[0][0], &timeline) &&
        timeline >= run.desired.upstream_timeline) {
      return absl::OkStatus();
    }
    if (SystemClock().Now() >= give_up) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the upstream ", run.step.upstream.node, " has made no checkpoint since its promotion"));
    }
    run.progress("rewind waits for a checkpoint of the upstream");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Initialize(const StepRun& run) {
  PGM_ASSIGN_OR_RETURN(const bool needed, DirectoryIsNeeded(run));
  if (!needed) {
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(ClearPartialDirectory(run));
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
  PGM_ASSIGN_OR_RETURN(const bool needed, DirectoryIsNeeded(run));
  if (needed) {
    const std::string partial = run.layout.PartialDirectory(run.step.memory.data_number);
    PGM_RETURN_IF_ERROR(CopyInto(run, partial));
    PGM_RETURN_IF_ERROR(StripAutoConf(partial));
    PGM_RETURN_IF_ERROR(WriteStandbySignal(partial));
    PGM_RETURN_IF_ERROR(FinishDirectory(run));
  }
  PGM_RETURN_IF_ERROR(LastingJob::End(run.layout.CopyJob()));
  PGM_RETURN_IF_ERROR(StopServer(run, FormerDirectory(run)));
  if (MayHoldDivergedWal(FormerDirectory(run))) {
    PGM_RETURN_IF_ERROR(KeepDivergedWal(run, FormerDirectory(run)));
  }
  return RecordForkFromHistory(run);
}

absl::Status Rewind(const StepRun& run) {
  const std::string directory = run.DataDirectory();
  const OwnFiles files(run);
  PGM_RETURN_IF_ERROR(StopServer(run, directory));
  PGM_ASSIGN_OR_RETURN(const std::string program, run.Program("pg_rewind"));
  if (access(program.c_str(), X_OK) != 0) {
    return WithHint(absl::UnimplementedError(absl::StrCat("\"", program, "\" is not installed")),
                    "The data directory is copied anew instead.");
  }
  PGM_RETURN_IF_ERROR(PrepareSupportFiles(run));
  PGM_RETURN_IF_ERROR(WaitForUpstreamsCheckpoint(run));
  PGM_RETURN_IF_ERROR(KeepDivergedWal(run, directory));
  // From here on the directory is neither the old nor the new one until pg_rewind is done.
  PGM_RETURN_IF_ERROR(WriteFileDurably(Layout::RewindMark(directory), "", 0600));
  Command command = run.NewCommand(
      {program, "--target-pgdata", directory, "--source-server",
       absl::StrCat(run.Conninfo(run.step.upstream, "pgmahout_rewind"), " dbname=postgres"),
       "--progress"},
      kRewindTimeout);
  if (CanRestoreWal(run)) {
    command.argv.emplace_back("--restore-target-wal");
  }
  command.on_stderr = [&run](absl::string_view text) { ReportPercentage(run, "rewind", text); };
  run.progress("rewind");
  PGM_ASSIGN_OR_RETURN(const CommandResult result, RunCommandOrFail(std::move(command)));
  PGM_RETURN_IF_ERROR(CheckThatItRewound(result));
  PGM_RETURN_IF_ERROR(RecordFork(run, ForkFrom(result.err)));
  PGM_RETURN_IF_ERROR(StripAutoConf(directory));
  PGM_RETURN_IF_ERROR(files.PutBack());
  PGM_RETURN_IF_ERROR(WriteStandbySignal(directory));
  if (unlink(Layout::RewindMark(directory).c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, "cannot remove the mark of a rewind");
  }
  return SyncDirectory(run.layout.config().data_root);
}

absl::Status MarkStandby(const StepRun& run) {
  PGM_RETURN_IF_ERROR(RecordNothingLost(run));
  return WriteStandbySignal(run.DataDirectory());
}

// A server that has crashed replays all its WAL first, and is a standby then ("Standby Server
// Operation", PostgreSQL docs section 27.2.2).
absl::Status MarkVoter(const StepRun& run) {
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
  // One that is no longer wanted would keep the slot of this server busy.
  PGM_RETURN_IF_ERROR(LastingJob::End(run.layout.CopyJob()));
  PGM_RETURN_IF_ERROR(RemoveVainPlaceholders(run.DataDirectory()));
  PGM_RETURN_IF_ERROR(UncoverWal(run.DataDirectory()));
  for (const std::string& lock_file :
       {run.DataDirectory() + "/postmaster.pid",
        absl::StrCat(run.layout.SocketDirectory(), "/.s.PGSQL.", run.desired.spec.port, ".lock")}) {
    PGM_RETURN_IF_ERROR(RemoveEmptyLockFile(run.DataDirectory(), lock_file));
  }
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
