// SPDX-License-Identifier: Apache-2.0
#include "agent/systemd/sd_bus_control.h"

#include <signal.h>
#include <systemd/sd-bus.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <mutex>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

constexpr char kService[] = "org.freedesktop.systemd1";
constexpr char kPath[] = "/org/freedesktop/systemd1";
constexpr char kManager[] = "org.freedesktop.systemd1.Manager";
// postgresql@.service waits for the server to answer (pg_ctlcluster): at least two seconds.
constexpr Duration kStartTimeout{60'000};
// How long pg_ctlcluster may go on after a server of ours has come up.
constexpr Duration kStartSettles{10'000};
// A server that is in recovery for so long is not waited for.
constexpr Duration kRecovers{1'000};
constexpr Duration kInstallTimeout{900'000};
constexpr Duration kLook{10};
constexpr char kInstallErrors[] = "/run/pgmahout-install";
constexpr size_t kMaxInstallError = 16384;
// systemd answers within milliseconds; the default of 25 s is too long for fencing.
constexpr Duration kCallTimeout{5'000};

struct Unref {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }

  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }

  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};

using Bus = std::unique_ptr<sd_bus, Unref>;
using Message = std::unique_ptr<sd_bus_message, Unref>;
using MatchSlot = std::unique_ptr<sd_bus_slot, Unref>;

class BusError {
 public:
  ~BusError() { sd_bus_error_free(&error_); }

  sd_bus_error* get() { return &error_; }

  absl::Status ToStatus(int result, absl::string_view what) const {
    if (error_.name == nullptr || error_.message == nullptr) {
      return ErrnoStatus(-result, what);
    }
    const absl::string_view name = error_.name;
    const absl::string_view message = error_.message;
    if (name == "org.freedesktop.systemd1.NoSuchUnit") {
      return absl::NotFoundError(absl::StrCat(what, ": ", message));
    }
    if (name == "org.freedesktop.DBus.Error.AccessDenied" ||
        name == "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired") {
      return WithHint(absl::PermissionDeniedError(absl::StrCat(what, ": ", message)),
                      "A polkit rule must allow the agent's user to manage this unit.");
    }
    return absl::UnavailableError(absl::StrCat(what, ": ", message));
  }

 private:
  sd_bus_error error_ = SD_BUS_ERROR_NULL;
};

// What JobRemoved said of the job that is waited for.
struct JobEnd {
  std::string job;
  std::string result;  // empty: not yet
};

int OnJobRemoved(sd_bus_message* message, void* user_data, sd_bus_error* /*error*/) {
  auto* end = static_cast<JobEnd*>(user_data);
  uint32_t id = 0;
  const char* job = nullptr;
  const char* unit = nullptr;
  const char* result = nullptr;
  if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) >= 0 && end->job == job) {
    end->result = result;
  }
  return 0;
}

class SdBusControl : public ProcessControl {
 public:
  SdBusControl(std::string unit, BusOpener open_bus, std::string permit_directory)
      : unit_(std::move(unit)),
        open_bus_(std::move(open_bus)),
        permit_directory_(std::move(permit_directory)) {}

  absl::Status Start(const ServerPaths& paths) override {
    const BootTime now = SystemClock().Now();
    started_at_ = now;
    const StartPermit permit(permit_directory_, unit_);
    PGM_RETURN_IF_ERROR(permit.status());
    return StartAndWait(unit_, kStartTimeout, [&paths, now] {
      const pid_t postmaster = FindPostmaster(paths.data_directory);
      const std::string status =
          postmaster == 0 ? "" : StatusInLockFile(paths.data_directory, postmaster);
      const bool recovers = status == "starting" && SystemClock().Now() - now >= kRecovers;
      return status == "ready" || status == "standby" || recovers;
    });
  }

  absl::Status InstallServer(uint32_t major) override {
    const std::string unit = absl::StrCat("pgmahout-install@", major, ".service");
    const absl::Status status = StartAndWait(unit, kInstallTimeout, [] { return false; });
    // What apt said, as the unit leaves it for us.
    const absl::StatusOr<std::string> said =
        ReadFile(absl::StrCat(kInstallErrors, "/", major, ".error"), kMaxInstallError);
    if (!absl::IsFailedPrecondition(status) || !said.ok()) {
      return status;
    }
    return WithInfo(
        absl::FailedPreconditionError(absl::StrCat("PostgreSQL ", major, " cannot be installed")),
        ErrorInfo{"install-failed", std::string(absl::StripAsciiWhitespace(*said)),
                  absl::StrCat("See journalctl -u ", unit, ".")});
  }

  absl::Status RequestStop(const ServerPaths& paths) override {
    const pid_t postmaster = FindPostmaster(paths.data_directory);
    // While systemd still waits for pg_ctlcluster a stop would be a SIGTERM to all processes of the
    // unit: sessions end, but standbys do not get all WAL. SIGINT is a fast shutdown.
    const bool is_starting = SystemClock().Now() - started_at_.load() < kStartSettles;
    if (is_starting && postmaster != 0 && kill(postmaster, SIGINT) == 0) {
      return absl::OkStatus();
    }
    const absl::Status status = CallOnNewBus("StopUnit");
    // A server must be stoppable where D-Bus is out of order too.
    return !status.ok() && postmaster != 0 && kill(postmaster, SIGINT) == 0 ? absl::OkStatus()
                                                                            : status;
  }

  // The fence: by our own signals first, which need nobody's help; then by systemd, which knows the
  // whole cgroup and must not start the unit again.
  absl::Status Kill(const ServerPaths& paths, Duration timeout) override {
    for (const pid_t pid : FindServerProcesses(paths.data_directory)) {
      kill(pid, SIGKILL);
    }
    const absl::Status by_systemd = KillUnit();
    const absl::Status killed = KillServerProcesses(paths.data_directory, timeout);
    return killed.ok() || by_systemd.ok() ? killed : Annotate(killed, by_systemd.message());
  }

 private:
  // Until the job has ended, or `is_there` says that what it is for is there already:
  // postgresql@.service goes on for two seconds after the server answers.
  absl::Status StartAndWait(const std::string& unit,
                            Duration timeout,
                            const std::function<bool()>& is_there) {
    PGM_ASSIGN_OR_RETURN(const Bus bus, Open());
    BusError error;
    int result = sd_bus_call_method(bus.get(), kService, kPath, kManager, "Subscribe", error.get(),
                                    nullptr, "");
    if (result < 0) {
      return error.ToStatus(result, "cannot subscribe to systemd");
    }
    JobEnd end;
    sd_bus_slot* raw_slot = nullptr;
    // Before the call: the job may be over before it returns.
    result = sd_bus_match_signal(bus.get(), &raw_slot, kService, kPath, kManager, "JobRemoved",
                                 OnJobRemoved, &end);
    const MatchSlot slot(raw_slot);
    if (result < 0) {
      return ErrnoStatus(-result, "cannot listen to systemd");
    }
    PGM_ASSIGN_OR_RETURN(end.job, Call(bus.get(), "StartUnit", unit));
    return WaitForJob(bus.get(), unit, timeout, is_there, &end);
  }

  absl::StatusOr<Bus> Open() {
    const std::lock_guard lock(mutex_);
    sd_bus* bus = nullptr;
    const int result = open_bus_(&bus);
    if (result < 0) {
      return WithHint(ErrnoStatus(-result, "cannot reach systemd on D-Bus"),
                      "Where there is no systemd, use postgres.control: direct in agent.yaml.");
    }
    sd_bus_set_method_call_timeout(bus, static_cast<uint64_t>(kCallTimeout.count()) * 1000);
    return Bus(bus);
  }

  absl::Status CallOnNewBus(const char* method) {
    PGM_ASSIGN_OR_RETURN(const Bus bus, Open());
    return Call(bus.get(), method, unit_).status();
  }

  absl::Status KillUnit() {
    PGM_ASSIGN_OR_RETURN(const Bus bus, Open());
    BusError error;
    const int result =
        sd_bus_call_method(bus.get(), kService, kPath, kManager, "KillUnit", error.get(), nullptr,
                           "ssi", unit_.c_str(), "all", int32_t{SIGKILL});
    // Fails for a unit without processes, which is as well.
    const absl::Status killed =
        result < 0 ? error.ToStatus(result, absl::StrCat("cannot kill unit ", unit_))
                   : absl::OkStatus();
    // Against Restart=on-failure.
    const absl::Status stopped = Call(bus.get(), "StopUnit", unit_).status();
    return killed.ok() ? stopped : killed;
  }

  // StartUnit and StopUnit look alike: unit and mode in, job path out.
  static absl::StatusOr<std::string> Call(sd_bus* bus,
                                          const char* method,
                                          const std::string& unit) {
    BusError error;
    sd_bus_message* raw = nullptr;
    const int result = sd_bus_call_method(bus, kService, kPath, kManager, method, error.get(), &raw,
                                          "ss", unit.c_str(), "replace");
    const Message reply(raw);
    if (result < 0) {
      return error.ToStatus(result, absl::StrCat(method, " ", unit, " failed"));
    }
    const char* job = nullptr;
    if (sd_bus_message_read(reply.get(), "o", &job) < 0) {
      return absl::InternalError("systemd's answer has no job");
    }
    return std::string(job);
  }

  // Signals that came before the reply wait in sd-bus's queue until they are processed here.
  static absl::Status WaitForJob(sd_bus* bus,
                                 const std::string& unit,
                                 Duration timeout,
                                 const std::function<bool()>& is_there,
                                 const JobEnd* end) {
    const BootTime deadline = SystemClock().Now() + timeout;
    while (end->result.empty()) {
      const int processed = sd_bus_process(bus, nullptr);
      if (processed < 0) {
        return ErrnoStatus(-processed, "lost the connection to systemd");
      }
      if (processed > 0) {
        continue;
      }
      if (is_there()) {
        return absl::OkStatus();
      }
      if (SystemClock().Now() >= deadline) {
        return absl::DeadlineExceededError(absl::StrCat("unit ", unit, " did not start in time"));
      }
      sd_bus_wait(bus, static_cast<uint64_t>(kLook.count()) * 1000);
    }
    if (end->result == "done") {
      return absl::OkStatus();
    }
    return WithHint(absl::FailedPreconditionError(
                        absl::StrCat("unit ", unit, " did not start: job ", end->result)),
                    absl::StrCat("See journalctl -u ", unit, "."));
  }

  const std::string unit_;
  std::mutex mutex_;
  BusOpener open_bus_;
  const std::string permit_directory_;
  std::atomic<BootTime> started_at_{BootTime{}};
};

}  // namespace

std::unique_ptr<ProcessControl> MakeSystemdControl(const std::string& unit,
                                                   BusOpener open_bus,
                                                   const std::string& permit_directory) {
  return std::make_unique<SdBusControl>(unit, std::move(open_bus), permit_directory);
}

std::unique_ptr<ProcessControl> MakeSystemdControl(const std::string& unit) {
  return MakeSystemdControl(unit, [](sd_bus** bus) { return sd_bus_open_system(bus); });
}

}  // namespace pgmahout::agent
