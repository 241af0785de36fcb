// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/real_instance.h"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/core/config_file.h"
#include "agent/postgres/layout.h"
#include "agent/postgres/observer.h"
#include "agent/postgres/step_run.h"
#include "common/base/status_macros.h"
#include "common/pg/quote.h"

namespace pgmahout::agent {

absl::StatusOr<std::string> StepRun::Program(const std::string& name) const {
  PGM_ASSIGN_OR_RETURN(const std::string bin, layout.BinDirectory(desired.spec.postgres_major));
  return absl::StrCat(bin, "/", name);
}

absl::StatusOr<ServerPaths> StepRun::Paths(const std::string& data_directory) const {
  PGM_ASSIGN_OR_RETURN(const std::string bin, layout.BinDirectory(desired.spec.postgres_major));
  return ServerPaths{bin, data_directory, layout.PostmasterLog()};
}

Command StepRun::NewCommand(std::vector<std::string> argv, Duration timeout) const {
  Command command;
  command.argv = std::move(argv);
  command.environment = {{"LC_ALL", "C"}};
  command.timeout = timeout;
  command.cancelled = &cancelled;
  return command;
}

absl::StatusOr<Session> StepRun::Connect(const std::string& database, BootTime deadline) const {
  PGM_ASSIGN_OR_RETURN(const SocketAddress socket, SocketOf(DataDirectory()));
  return Session::Open(socket.directory, socket.port, database, deadline, &cancelled);
}

ConnectionWords StepRun::Words(const Member& member, const std::string& application_name) const {
  return {
      {"host", member.address},
      {"port", absl::StrCat(member.port)},
      {"user", std::string(kReplicationRole)},
      {"passfile", layout.PasswordFile()},
      {"application_name", application_name},
      {"sslmode", "verify-ca"},
      {"sslrootcert", layout.TlsDirectory() + "/ca.crt"},
      {"connect_timeout", "5"},
      {"tcp_user_timeout", "10000"},  // milliseconds
  };
}

std::string StepRun::Conninfo(const Member& member, const std::string& application_name) const {
  return absl::StrJoin(Words(member, application_name), " ",
                       [](std::string* out, const auto& word) {
                         absl::StrAppend(out, word.first, "=", QuoteConninfoValue(word.second));
                       });
}

namespace {

class RealInstance : public Instance {
 public:
  RealInstance(InstanceConfig config, std::unique_ptr<ProcessControl> control, const Clock& clock)
      : layout_(std::move(config)), control_(std::move(control)), observer_(layout_, clock) {}

  std::string DataDirectory(const Memory& memory) const override {
    const std::string directory = layout_.DataDirectory(memory.data_number);
    std::error_code none;
    const std::filesystem::path target = std::filesystem::read_symlink(directory, none);
    return none ? directory : target.string();
  }

  void LookForExisting(bool wanted) override { look_for_existing_ = wanted; }

  Observation Observe(const Memory& memory, Duration sql_deadline) override {
    number_ = memory.data_number;
    const bool owed = reload_is_owed_;
    Observation seen = observer_.Look(memory, sql_deadline, look_for_existing_);
    seen.reload_is_owed = owed;
    return seen;
  }

  bool WaitForPostmasterEnd(Duration timeout) override {
    const pid_t pid = FindPostmaster(CurrentDirectory());
    if (pid != 0) {
      watched_ = !WaitForEnd(pid, timeout);
      return !watched_;
    }
    // One that was there a moment ago has ended between two calls: that is news.
    if (!watched_.exchange(false)) {
      Pause(timeout);
    }
    return true;
  }

  absl::Status Run(const Step& step,
                   const DesiredState& desired,
                   const std::function<void(const std::string&)>& progress) override {
    cancelled_ = false;
    const absl::Status status =
        Dispatch(StepRun{layout_, *control_, step, desired, cancelled_, progress});
    return cancelled_ ? absl::CancelledError("the step was ended") : status;
  }

  absl::Status Kill(Duration timeout) override {
    cancelled_ = true;
    return KillAll(timeout);
  }

  void CancelStep() override { cancelled_ = true; }

 private:
  std::string CurrentDirectory() const { return layout_.DataDirectory(number_); }

  absl::Status KillAll(Duration timeout) {
    return control_->Kill(ServerPaths{"", CurrentDirectory(), ""}, timeout);
  }

  // Where no process can be waited for, only time can; not while a server runs.
  static void Pause(Duration duration) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, duration);
  }

  absl::Status ConfigureAndLoad(const StepRun& run) {
    reload_is_owed_ = true;
    PGM_RETURN_IF_ERROR(Configure(run));
    reload_is_owed_ = false;
    return absl::OkStatus();
  }

  absl::Status StartWithConfiguration(const StepRun& run) {
    if (FindPostmaster(run.DataDirectory()) != 0) {
      return absl::OkStatus();
    }
    PGM_RETURN_IF_ERROR(StartServer(run));
    reload_is_owed_ = false;
    return absl::OkStatus();
  }

  absl::Status Dispatch(const StepRun& run) {
    switch (run.step.kind) {
      case StepKind::kWait:
      case StepKind::kRemember:
        return absl::OkStatus();
      case StepKind::kKill:
        return KillAll(Duration{10'000});
      case StepKind::kStopFast:
        return StopServer(run, run.DataDirectory());
      case StepKind::kInitialize:
        return Initialize(run);
      case StepKind::kConfigure:
        return ConfigureAndLoad(run);
      case StepKind::kStart:
        return StartWithConfiguration(run);
      case StepKind::kPromote:
        return Promote(run);
      case StepKind::kBaseBackup:
        return BaseBackup(run);
      case StepKind::kRewind:
        return Rewind(run);
      case StepKind::kMarkStandby:
        return MarkStandby(run);
      case StepKind::kMarkVoter:
        return MarkVoter(run);
      case StepKind::kEnsureRoles:
        return EnsureRoles(run);
      case StepKind::kEnsureSlots:
        return EnsureSlots(run);
      case StepKind::kCheckpoint:
        return Checkpoint(run);
      case StepKind::kBackfillArchive:
        return BackfillArchive(run);
      case StepKind::kRemoveOldData:
        return RemoveOldData(run);
      case StepKind::kAdopt:
        return Adopt(run);
      case StepKind::kLetGo:
        return LetGo(run);
    }
    return absl::InternalError("unknown step");
  }

  const Layout layout_;
  const std::unique_ptr<ProcessControl> control_;
  Observer observer_;
  std::atomic<uint64_t> number_{0};
  std::atomic<bool> look_for_existing_{false};
  std::atomic<bool> cancelled_{false};
  // An agent that was ended between writing the configuration and loading it does not know.
  std::atomic<bool> reload_is_owed_{true};
  std::atomic<bool> watched_{false};  // a postmaster ran when its end was last waited for
};

}  // namespace

std::unique_ptr<Instance> MakeRealInstance(InstanceConfig config,
                                           std::unique_ptr<ProcessControl> control,
                                           const Clock& clock) {
  return std::make_unique<RealInstance>(std::move(config), std::move(control), clock);
}

}  // namespace pgmahout::agent
