// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/observer.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/core/config_file.h"
#include "agent/postgres/control_data.h"
#include "agent/postgres/diverged_wal.h"
#include "agent/postgres/existing_server.h"
#include "agent/postgres/process_control.h"
#include "agent/postgres/sql_facts.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

constexpr Duration kSlowPeriod{10'000};
constexpr Duration kExistingPeriod{1'000};
constexpr Duration kExistingTimeout{5'000};  // nobody waits for a server that is not ours
// While something is under way there are ten looks a second; so many markers help nobody.
constexpr Duration kMarkerPeriod{150};
constexpr Duration kQuickly{80};
constexpr Duration kKeptFor{500};

bool Exists(const std::string& path) {
  struct stat info {};

  return stat(path.c_str(), &info) == 0;
}

std::string TextOf(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() ? *std::move(text) : std::string();
}

// pg_control begins with the system identifier (catalog/pg_control.h).
uint64_t SystemIdentifierOf(const std::string& directory) {
  const std::string control = TextOf(directory + "/global/pg_control");
  uint64_t identifier = 0;
  if (control.size() >= sizeof(identifier)) {
    std::memcpy(&identifier, control.data(), sizeof(identifier));
  }
  return identifier;
}

std::vector<std::string> AutoConfOverrides(const std::string& directory) {
  std::vector<std::string> found;
  const std::vector<std::string>& owned = OwnedParameters();
  for (const auto& line : absl::StrSplit(TextOf(Layout::AutoConfFile(directory)), '\n')) {
    const std::string name(absl::StripAsciiWhitespace(line.substr(0, line.find('='))));
    if (std::find(owned.begin(), owned.end(), name) != owned.end()) {
      found.push_back(name);
    }
  }
  return found;
}

// A copy that is being made, or was given up, is none of them.
uint64_t CountOldDirectories(const std::string& data_root, uint64_t current) {
  uint64_t count = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(data_root, ignored)) {
    const std::optional<uint64_t> number = Layout::NumberOf(entry.path().filename().string());
    count += number.has_value() && *number < current ? 1 : 0;
  }
  return count;
}

// The node's certificate renews itself; the server has a copy of it. The CA's may change too.
bool CertificateDiffers(const Layout& layout) {
  const std::string own = TextOf(layout.config().certificate_file);
  const std::string authority = TextOf(layout.config().ca_file);
  return !own.empty() && !authority.empty() &&
         (own != TextOf(layout.TlsDirectory() + "/server.crt") ||
          authority != TextOf(layout.TlsDirectory() + "/ca.crt"));
}

// Data and WAL may lie on different disks; what is full first matters.
void LookAtSpace(const std::string& data_root, const std::string& directory, Observation* seen) {
  for (const std::string& path : {data_root, directory, directory + "/pg_wal"}) {
    struct statvfs info {};

    if (statvfs(path.c_str(), &info) != 0) {
      continue;
    }
    const uint64_t free = uint64_t{info.f_bavail} * info.f_frsize;
    if (seen->disk_bytes == 0 || free < seen->disk_free_bytes) {
      seen->disk_free_bytes = free;
      seen->disk_bytes = uint64_t{info.f_blocks} * info.f_frsize;
    }
  }
}

// While the startup process reads WAL its title says which segment; empty before that.
std::string ReplayedSegment(const std::string& directory) {
  for (const pid_t pid : FindServerProcesses(directory)) {
    if (std::string segment = SegmentOfStartupProcess(absl::StrCat(pid)); !segment.empty()) {
      return segment;
    }
  }
  return "";
}

// What a refusal to connect says about the server (libpq reports the server's own words).
ServerState StateFromError(const absl::Status& status) {
  const absl::string_view text = status.message();
  if (absl::StrContains(text, "shutting down")) {
    return ServerState::kStopping;
  }
  if (absl::IsDeadlineExceeded(status) ||
      absl::StrContains(text, "Resource temporarily unavailable")) {
    return ServerState::kHung;
  }
  if (absl::StrContains(text, "too many clients") ||
      absl::StrContains(text, "remaining connection slots")) {
    return ServerState::kRunning;
  }
  return ServerState::kStarting;
}

}  // namespace

absl::StatusOr<SocketAddress> SocketOf(const std::string& data_directory) {
  PGM_ASSIGN_OR_RETURN(const std::string text, ReadFile(data_directory + "/postmaster.pid", 4096));
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  uint32_t port = 0;
  if (lines.size() < 5 || !absl::SimpleAtoi(lines[3], &port) || lines[4].empty()) {
    return absl::UnavailableError("the server has no socket yet");
  }
  return SocketAddress{lines[4], static_cast<uint16_t>(port)};
}

Observer::Observer(const Layout& layout, const Clock& clock)
    : layout_(layout), clock_(clock), disk_(clock) {}

// While something is under way there are ten looks a second.
void Observer::LookForExisting(const Memory& memory, Observation* seen) {
  if (const BootTime now = clock_.Now();
      !existing_.has_value() || now - looked_for_existing_ >= kExistingPeriod) {
    existing_ = LookAtExisting(layout_, memory, now + kExistingTimeout);
    looked_for_existing_ = now;
  }
  seen->existing = existing_;
}

Observation Observer::Look(const Memory& memory, Duration sql_deadline, bool look_for_existing) {
  Observation seen;
  if (look_for_existing) {
    LookForExisting(memory, &seen);
  } else {
    existing_.reset();
  }
  const std::string directory = layout_.DataDirectory(memory.data_number);
  LookAtSpace(layout_.config().data_root, directory, &seen);
  seen.old_directories = CountOldDirectories(layout_.config().data_root, memory.data_number);
  if (memory.data_number == 0 || !Exists(directory + "/PG_VERSION")) {
    unresponsive_since_.reset();
    disk_.Watch({});
    return seen;
  }
  LookAtFiles(directory, &seen);
  seen.diverged = ReadDivergedWal(layout_, memory.epoch);
  LookAtServer(directory, sql_deadline, &seen);
  return seen;
}

void Observer::LookAtFiles(const std::string& directory, Observation* seen) {
  DataDirectory& data = seen->data;
  data.exists = true;
  data.complete = !Exists(Layout::RewindMark(directory));
  data.standby_signal = Exists(Layout::StandbySignal(directory));
  data.system_identifier = SystemIdentifierOf(directory);
  data.config = TextOf(layout_.ConfigFile(directory));
  data.hba = TextOf(layout_.HbaFile(directory));
  data.auto_conf_overrides = AutoConfOverrides(directory);
  data.certificate_differs = CertificateDiffers(layout_);
}

void Observer::LookAtServer(const std::string& directory,
                            Duration sql_deadline,
                            Observation* seen) {
  const pid_t postmaster = FindPostmaster(directory);
  seen->postmaster_alive = postmaster != 0;
  if (seen->postmaster_alive) {
    disk_.Watch({directory, directory + "/pg_wal"});
    seen->disk = disk_.Health();
  } else {
    kept_.reset();
    disk_.Watch({});
    unresponsive_since_.reset();
    seen->orphans = !FindServerProcesses(directory).empty();
    seen->server = ServerState::kStopped;
    if (!seen->orphans) {
      seen->data.control = ReadControl(directory);
    }
    return;
  }
  // A server that stops lets nobody in, would log each attempt, and where the stop is a smart one
  // waits for every session.
  const bool stops = StatusInLockFile(directory, postmaster) == "stopping";
  if (stops) {
    kept_.reset();
  }
  absl::StatusOr<SqlFacts> facts =
      stops ? absl::UnavailableError("the database system is shutting down")
            : Ask(directory, clock_.Now() + sql_deadline);
  asked_ = clock_.Now();
  if (facts.ok()) {
    unresponsive_since_.reset();
    seen->server = ServerState::kRunning;
    seen->sql = *std::move(facts);
    return;
  }
  seen->sql_error = std::string(facts.status().message());
  seen->server = StateFromError(facts.status());
  if (seen->server == ServerState::kStarting) {
    seen->replaying = ReplayedSegment(directory);
  }
  if (seen->server == ServerState::kStopping) {
    // The shutdown checkpoint is written when no session is left that could commit. What follows,
    // the archiver's last segment for one, may take much longer.
    seen->data.control = ReadControl(directory);
  }
  if (seen->server != ServerState::kHung) {
    unresponsive_since_.reset();
  } else if (!unresponsive_since_.has_value()) {
    unresponsive_since_ = clock_.Now();
  }
  seen->unresponsive_since = unresponsive_since_;
}

std::optional<ControlData> Observer::ReadControl(const std::string& directory) {
  // Its content, not its time: two writes may fall into one tick of the file system's clock.
  const std::string file = absl::StrCat(directory, "\n", TextOf(directory + "/global/pg_control"));
  if (file == control_file_ && control_.has_value()) {
    return control_;
  }
  const std::string version = TextOf(directory + "/PG_VERSION");
  uint32_t major = 0;
  if (!absl::SimpleAtoi(version, &major)) {
    return std::nullopt;
  }
  const absl::StatusOr<std::string> bin = layout_.BinDirectory(major);
  if (!bin.ok()) {
    return std::nullopt;
  }
  const absl::StatusOr<ControlData> control = ReadControlData(*bin, directory);
  if (!control.ok()) {
    return std::nullopt;
  }
  control_ = *control;
  control_file_ = file;
  return control_;
}

absl::StatusOr<SqlFacts> Observer::Ask(const std::string& directory, BootTime deadline) {
  const bool quickly = clock_.Now() - asked_ <= kQuickly;
  if (!quickly) {
    kept_.reset();
  }
  if (std::optional<absl::StatusOr<SqlFacts>> facts = AskKept(directory, deadline)) {
    return *std::move(facts);
  }
  PGM_ASSIGN_OR_RETURN(const SocketAddress socket, SocketOf(directory));
  const BootTime now = clock_.Now();
  PGM_ASSIGN_OR_RETURN(Session session,
                       Session::Open(socket.directory, socket.port, "postgres", deadline));
  absl::StatusOr<SqlFacts> facts = AskOver(session, directory, deadline);
  if (facts.ok() && quickly) {
    kept_.emplace(Kept{std::move(session), directory, now});
  }
  return facts;
}

// Nothing if there is no such connection, or if it has come to its end: then a new one shall tell
// why. One that does not answer in time is an answer.
std::optional<absl::StatusOr<SqlFacts>> Observer::AskKept(const std::string& directory,
                                                          BootTime deadline) {
  if (!kept_.has_value() || kept_->directory != directory ||
      clock_.Now() - kept_->opened >= kKeptFor) {
    kept_.reset();
    return std::nullopt;
  }
  absl::StatusOr<SqlFacts> facts = AskOver(kept_->session, directory, deadline);
  if (facts.ok()) {
    return facts;
  }
  kept_.reset();
  return absl::IsDeadlineExceeded(facts.status()) ? std::make_optional(std::move(facts))
                                                  : std::nullopt;
}

absl::StatusOr<SqlFacts> Observer::AskOver(Session& session,
                                           const std::string& directory,
                                           BootTime deadline) {
  PGM_ASSIGN_OR_RETURN(SqlFacts facts, AskFacts(session, directory, deadline));
  if (const BootTime now = clock_.Now(); !facts.in_recovery && now - marked_ >= kMarkerPeriod) {
    PGM_ASSIGN_OR_RETURN(facts.marker_lsn, WriteMarker(session, deadline));
    facts.marker_before = now;
    marked_ = now;
  }
  PGM_RETURN_IF_ERROR(AskSlowly(session, deadline, &facts));
  return facts;
}

// Parsing files and adding up sizes costs more than the rest together.
absl::Status Observer::AskSlowly(Session& session, BootTime deadline, SqlFacts* facts) {
  const bool due = clock_.Now() - asked_slowly_ >= kSlowPeriod ||
                   slow_config_id_ != facts->config_id ||
                   facts->since_config_load < Duration{1'500};
  if (due) {
    PGM_RETURN_IF_ERROR(AskSlowFacts(session, deadline, &slow_));
    asked_slowly_ = clock_.Now();
    slow_config_id_ = facts->config_id;
  }
  facts->config_errors = slow_.config_errors;
  facts->hba_errors = slow_.hba_errors;
  facts->pending_restart = slow_.pending_restart;
  facts->database_bytes = slow_.database_bytes;
  return absl::OkStatus();
}

}  // namespace pgmahout::agent
