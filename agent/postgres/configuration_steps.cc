// SPDX-License-Identifier: Apache-2.0
// Configuration: written beside the server's own files, checked before, verified after, put back if
// PostgreSQL finds errors.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "agent/core/config_file.h"
#include "agent/postgres/hand_edits.h"
#include "agent/postgres/observer.h"
#include "agent/postgres/process_control.h"
#include "agent/postgres/step_run.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/pg/quote.h"

namespace pgmahout::agent {
namespace {

constexpr Duration kCheckTimeout{10'000};
constexpr Duration kSqlTimeout{5'000};
constexpr Duration kReloadTimeout{5'000};

std::string TextOf(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() ? *std::move(text) : std::string();
}

absl::Status WriteIfChanged(const std::string& path, const std::string& content, mode_t mode) {
  return TextOf(path) == content ? absl::OkStatus() : WriteFileDurably(path, content, mode);
}

absl::Status CopyIfChanged(const std::string& from, const std::string& to, mode_t mode) {
  PGM_ASSIGN_OR_RETURN(const std::string content, ReadFile(from));
  return WriteIfChanged(to, content, mode);
}

// The server's own parser reads the candidate as its whole configuration and prints one value.
absl::Status CheckCandidate(const StepRun& run) {
  const std::string directory = run.DataDirectory();
  const std::string candidate = run.layout.ConfigFile(directory) + ".check";
  PGM_RETURN_IF_ERROR(WriteFileAtomically(candidate, run.step.config, 0600));
  PGM_ASSIGN_OR_RETURN(const std::string postgres, run.Program("postgres"));
  const auto result = RunCommand(run.NewCommand(
      {postgres, "-D", directory, "-c", "config_file=" + candidate, "-C", "config_file"},
      kCheckTimeout));
  unlink(candidate.c_str());
  PGM_RETURN_IF_ERROR(result.status());
  if (result->exit_code == 0) {
    return absl::OkStatus();
  }
  const std::string said = absl::StrReplaceAll(absl::StripAsciiWhitespace(result->err),
                                               {{candidate, "pgmahout.conf"}, {"\n", "; "}});
  return WithInfo(absl::InvalidArgumentError("PostgreSQL refuses the configuration"),
                  ErrorInfo{"invalid-config", said,
                            "The former configuration stays in force. Correct "
                            "spec.postgresql.parameters."});
}

// Before it is "ready", or consistent as a "standby", a server lets nobody in; it reloads at a
// signal all the same (PostgreSQL docs, postgres: SIGHUP). False: it can be asked instead.
absl::StatusOr<bool> SignalledWhileItStarts(const StepRun& run, pid_t postmaster) {
  const std::string status = StatusInLockFile(run.DataDirectory(), postmaster);
  if (status == "ready" || status == "standby") {
    return false;
  }
  if (kill(postmaster, SIGHUP) != 0 && errno != ESRCH) {
    return ErrnoStatus(errno, absl::StrCat("cannot signal postmaster ", postmaster));
  }
  return true;
}

// ALTER SYSTEM of ours by a person, or what pg_basebackup -R wrote.
absl::Status ResetOverrides(const StepRun& run, Session& session) {
  const std::string text = TextOf(Layout::AutoConfFile(run.DataDirectory()));
  const std::vector<std::string>& owned = OwnedParameters();
  for (const auto& line : absl::StrSplit(text, '\n')) {
    const std::string name(absl::StripAsciiWhitespace(line.substr(0, line.find('='))));
    if (std::find(owned.begin(), owned.end(), name) != owned.end()) {
      PGM_RETURN_IF_ERROR(session
                              .Query("ALTER SYSTEM RESET " + QuoteIdentifier(name),
                                     SystemClock().Now() + kSqlTimeout)
                              .status());
    }
  }
  return absl::OkStatus();
}

absl::Status VerifyHba(const StepRun& run) {
  const BootTime deadline = SystemClock().Now() + kSqlTimeout;
  PGM_ASSIGN_OR_RETURN(Session session, run.Connect("postgres", deadline));
  PGM_ASSIGN_OR_RETURN(const Rows rows,
                       session.Query("SELECT 'line ' || line_number || ': ' || error FROM "
                                     "pg_hba_file_rules WHERE error IS NOT NULL",
                                     deadline));
  if (rows.empty()) {
    return absl::OkStatus();
  }
  const std::string errors = absl::StrJoin(
      rows, "; ", [](std::string* out, const Row& row) { absl::StrAppend(out, row[0]); });
  return WithInfo(absl::InvalidArgumentError("PostgreSQL finds errors in the new pg_hba.conf"),
                  ErrorInfo{"invalid-hba", errors,
                            "The former rules stay in force. Correct spec.postgresql.pgHba."});
}

}  // namespace

// Reloading is asynchronous: a new connection tells which configuration the postmaster has loaded.
absl::Status ReloadAndWait(const StepRun& run, const std::string& config_id) {
  const BootTime deadline = SystemClock().Now() + kReloadTimeout;
  {
    PGM_ASSIGN_OR_RETURN(Session session, run.Connect("postgres", deadline));
    PGM_RETURN_IF_ERROR(ResetOverrides(run, session));
    PGM_RETURN_IF_ERROR(session.Query("SELECT pg_reload_conf()", deadline).status());
  }
  while (!run.cancelled) {
    PGM_ASSIGN_OR_RETURN(Session session, run.Connect("postgres", deadline));
    PGM_ASSIGN_OR_RETURN(const Rows rows,
                         session.Query("SELECT current_setting('pgmahout.config_id', true) = " +
                                           QuoteLiteral(config_id) + " FROM pg_sleep(0.002)",
                                       deadline));
    if (rows.size() == 1 && rows[0][0] == "t") {
      return absl::OkStatus();
    }
    if (SystemClock().Now() >= deadline) {
      return WithHint(
          absl::DeadlineExceededError("the server has not loaded the new configuration in time"),
          "See the server's log; a line in postgresql.conf may be wrong.");
    }
  }
  return absl::CancelledError("cancelled");
}

absl::Status PrepareSupportFiles(const StepRun& run) {
  const Layout& layout = run.layout;
  for (const std::string& directory :
       {layout.SocketDirectory(), layout.LogDirectory(), layout.TlsDirectory()}) {
    PGM_RETURN_IF_ERROR(MakeDirectories(directory, 0700));
  }
  const InstanceConfig& config = layout.config();
  PGM_RETURN_IF_ERROR(
      CopyIfChanged(config.certificate_file, layout.TlsDirectory() + "/server.crt", 0644));
  PGM_RETURN_IF_ERROR(CopyIfChanged(config.key_file, layout.TlsDirectory() + "/server.key", 0600));
  PGM_RETURN_IF_ERROR(CopyIfChanged(config.ca_file, layout.TlsDirectory() + "/ca.crt", 0644));
  if (run.desired.replication_password.empty()) {
    return absl::OkStatus();
  }
  // PostgreSQL docs, "The Password File": ":" and "\" are escaped.
  const std::string password =
      absl::StrReplaceAll(run.desired.replication_password, {{"\\", "\\\\"}, {":", "\\:"}});
  return WriteIfChanged(layout.PasswordFile(),
                        absl::StrCat("*:*:*:", kReplicationRole, ":", password, "\n"), 0600);
}

absl::Status StripAutoConf(const std::string& data_directory) {
  const std::string path = Layout::AutoConfFile(data_directory);
  const std::string text = TextOf(path);
  const std::vector<std::string>& owned = OwnedParameters();
  std::vector<std::string> kept;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n'))) {
    const std::string name(absl::StripAsciiWhitespace(line.substr(0, line.find('='))));
    if (std::find(owned.begin(), owned.end(), name) == owned.end()) {
      kept.push_back(line);
    }
  }
  const std::string stripped = absl::StrJoin(kept, "\n");
  return stripped == text ? absl::OkStatus() : WriteFileDurably(path, stripped, 0600);
}

absl::Status Configure(const StepRun& run) {
  const std::string directory = run.DataDirectory();
  PGM_RETURN_IF_ERROR(PrepareSupportFiles(run));
  PGM_RETURN_IF_ERROR(EnsureDebianCluster(run));
  if (run.step.check_config) {
    PGM_RETURN_IF_ERROR(CheckCandidate(run));
  }
  const std::string old_hba = TextOf(run.layout.HbaFile(directory));
  const bool hba_changes = old_hba != run.step.hba;
  const std::string records = run.layout.RecordDirectory();
  PGM_RETURN_IF_ERROR(ReplaceKeepingEdits(run.layout.ConfigFile(directory), run.step.config,
                                          run.layout.ConfigMode(), records));
  PGM_RETURN_IF_ERROR(
      ReplaceKeepingEdits(run.layout.HbaFile(directory), run.step.hba, 0600, records));
  const pid_t postmaster = FindPostmaster(directory);
  if (postmaster == 0) {
    return StripAutoConf(directory);
  }
  PGM_ASSIGN_OR_RETURN(const bool signalled, SignalledWhileItStarts(run, postmaster));
  if (signalled) {
    return absl::OkStatus();  // what it has made of it is seen once it answers
  }
  const std::string config_id = ConfigIdOf(run.step.config);
  PGM_RETURN_IF_ERROR(ReloadAndWait(run, config_id));
  if (!hba_changes) {
    return absl::OkStatus();
  }
  const absl::Status verified = VerifyHba(run);
  if (absl::IsInvalidArgument(verified) && !old_hba.empty()) {
    PGM_RETURN_IF_ERROR(ReplaceKeepingEdits(run.layout.HbaFile(directory), old_hba, 0600, records));
    PGM_RETURN_IF_ERROR(ReloadAndWait(run, config_id));
  }
  return verified;
}

}  // namespace pgmahout::agent
