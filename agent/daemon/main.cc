// SPDX-License-Identifier: Apache-2.0
// pgmahout-agent: wiring only. Joins a controller if it has not yet, then runs until SIGTERM.
// PostgreSQL is not stopped when the agent is.
#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/daemon/config.h"
#include "agent/daemon/daemon.h"
#include "agent/daemon/identity.h"
#include "agent/daemon/memory_file.h"
#include "agent/daemon/service.h"
#include "agent/exporter/exporter.h"
#include "agent/link/enroll.h"
#include "agent/link/link.h"
#include "agent/postgres/process_control.h"
#include "agent/postgres/real_instance.h"
#include "agent/systemd/sd_bus_control.h"
#include "agent/systemd/start_permit.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/systemd_notify.h"
#include "common/base/version.h"

namespace pgmahout::agent {
namespace {

constexpr char kDebianSocketDirectory[] = "/var/run/postgresql";

struct Flags {
  std::string config;
  std::string token_file;
  bool renew = false;
};

ConfigContext MakeContext(const AgentConfig& config) {
  ConfigContext context;
  context.node = config.node;
  context.address = config.address;
  // pg_ctlcluster keeps the log of a Debian cluster: /var/log/postgresql/postgresql-14-main.log.
  context.socket_directory = config.debian_cluster.has_value()
                                 ? kDebianSocketDirectory
                                 : absl::StrCat(config.data_root, "/run");
  context.log_directory =
      config.debian_cluster.has_value() ? "" : absl::StrCat(config.data_root, "/log");
  context.certificate_file = absl::StrCat(config.data_root, "/tls/server.crt");
  context.key_file = absl::StrCat(config.data_root, "/tls/server.key");
  context.ca_file = absl::StrCat(config.data_root, "/tls/ca.crt");
  context.password_file = absl::StrCat(config.data_root, "/replication.pass");
  context.wal_program = config.wal_program;
  return context;
}

EnrollConfig MakeEnroll(const AgentConfig& config) {
  return EnrollConfig{config.controller,
                      config.node,
                      config.address,
                      absl::StrCat(config.state_dir, "/node.crt"),
                      absl::StrCat(config.state_dir, "/node.key"),
                      absl::StrCat(config.state_dir, "/ca.crt")};
}

InstanceConfig MakeInstanceConfig(const AgentConfig& config, const EnrollConfig& identity) {
  InstanceConfig instance;
  instance.node = config.node;
  instance.address = config.address;
  instance.data_root = config.data_root;
  instance.state_dir = config.state_dir;
  instance.existing_data = config.existing_data;
  if (config.debian_cluster.has_value()) {
    instance.debian_cluster = config.debian_cluster;
    instance.config_directory = absl::StrCat("/etc/postgresql/", config.debian_cluster->major, "/",
                                             config.debian_cluster->name);
    instance.socket_directory = kDebianSocketDirectory;
    instance.log_directory = "/var/log/postgresql";
  }
  instance.bin_directories = config.bin_directories;
  instance.wal_program = config.wal_program;
  instance.certificate_file = identity.certificate_file;
  instance.key_file = identity.key_file;
  instance.ca_file = identity.ca_file;
  return instance;
}

std::unique_ptr<ProcessControl> MakeControl(const AgentConfig& config) {
  if (config.control == "systemd") {
    return MakeSystemdControl(config.unit);
  }
  return MakeDirectControl();
}

absl::Status PrepareDirectories(const AgentConfig& config) {
  PGM_RETURN_IF_ERROR(MakeDirectories(config.state_dir, 0700));
  return MakeDirectories(config.data_root, 0700);
}

// A refusal is for a person to put right: trying again at once is of no use.
bool IsRefusal(const absl::Status& status) {
  return !absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status) &&
         !absl::IsInternal(status);
}

absl::StatusOr<AgentConfig> LoadConfig(const Flags& flags) {
  PGM_ASSIGN_OR_RETURN(AgentConfig config, LoadAgentConfig(flags.config));
  if (geteuid() == 0 && config.control == "direct") {
    return WithHint(absl::FailedPreconditionError("the agent must not run as root"),
                    "PostgreSQL refuses to run as root. Start the agent as user postgres.");
  }
  return config;
}

// What others are told of each snapshot: HTTP, systemd, the journal, systemd's start-gate.
std::function<void(const Snapshot&)> MakeListener(const AgentConfig& config,
                                                  Exporter* exporter,
                                                  ServiceStatus* service) {
  std::shared_ptr<ManagedMark> mark;
  if (config.control == "systemd") {
    mark = std::make_shared<ManagedMark>(kManagedDirectory, config.unit);
  }
  return [exporter, service, mark, node = config.node](const Snapshot& snapshot) {
    exporter->Update(snapshot);
    service->Ready();  // it has looked at PostgreSQL and acts on what it sees
    service->Say(StatusLine(snapshot));
    SetLogContext(LogContext(node, snapshot));
    const bool is_member = !snapshot.report.cluster.empty();
    // A member without data (a witness, or one that waits for its disk) has nothing to mark, and
    // keeps a mark.
    if (mark != nullptr && (!is_member || snapshot.report.server != ServerState::kAbsent)) {
      mark->Set(is_member);
    }
  };
}

absl::Status Run(const AgentConfig& config, ServiceStatus* service) {
  const EnrollConfig enroll = MakeEnroll(config);
  PGM_ASSIGN_OR_RETURN(const std::string state_id, LoadStateId(config.state_dir));
  const std::unique_ptr<Instance> instance =
      MakeRealInstance(MakeInstanceConfig(config, enroll), MakeControl(config), SystemClock());
  PGM_ASSIGN_OR_RETURN(const std::unique_ptr<Exporter> exporter,
                       StartExporter({config.node, config.metrics_listen, config.health_listen}));
  EventLoop loop;
  const std::unique_ptr<Link> link =
      MakeGrpcLink(loop, SystemClock(),
                   LinkConfig{config.controller, config.node, config.address, std::string(kVersion),
                              state_id, enroll.certificate_file, enroll.key_file, enroll.ca_file});
  DaemonConfig daemon_config;
  daemon_config.state_dir = config.state_dir;
  daemon_config.context = MakeContext(config);
  daemon_config.names_data_directory = config.debian_cluster.has_value();
  daemon_config.guard =
      GuardConfig{config.guard_program, config.control == "direct", config.guard_directory};
  daemon_config.ca_file = enroll.ca_file;
  daemon_config.agent_version = std::string(kVersion);
  Daemon daemon(loop, SystemClock(), *instance, *link, daemon_config);
  daemon.OnSnapshot(MakeListener(config, exporter.get(), service));
  loop.Every(service->alive_period(), [service] { service->Alive(); });
  KeepIdentityFresh(loop, enroll);
  loop.OnTermination([&loop, service] {
    LogInfo("the agent ends; PostgreSQL goes on");
    service->Stopping();
    loop.Stop();
  });
  PGM_RETURN_IF_ERROR(daemon.Start());
  LogInfo("pgmahout-agent runs", {{"node", config.node}, {"version", std::string(kVersion)}});
  loop.Run();
  // gRPC's threads may still hold work for the loop; the process ends as a whole. Nor is a step
  // cancelled: a base backup goes on for the next agent.
  std::fflush(nullptr);
  _exit(0);
}

int Complain(const absl::Status& status, int exit_code, ServiceStatus* service) {
  service->Say(status.message());
  std::fputs(FormatError(status).c_str(), stderr);
  return exit_code;
}

// EX_CONFIG tells systemd not to start it again by itself: somebody has to put something right
// first.
int Main(const Flags& flags) {
  ServiceStatus service = ServiceStatus::FromEnvironment();
  const absl::StatusOr<AgentConfig> config = LoadConfig(flags);
  if (!config.ok()) {
    return Complain(config.status(), EX_CONFIG, &service);
  }
  SetLogContext({{"node", config->node}});
  if (const absl::Status status = PrepareDirectories(*config); !status.ok()) {
    return Complain(status, EXIT_FAILURE, &service);
  }
  const absl::StatusOr<StateLock> lock = LockState(config->state_dir);
  if (!lock.ok()) {
    return Complain(lock.status(), EXIT_FAILURE, &service);
  }
  const std::string memory = absl::StrCat(config->state_dir, "/memory");
  if (const absl::Status status = CheckMemoryIsThere(memory, config->data_root); !status.ok()) {
    return Complain(status, EX_CONFIG, &service);
  }
  service.Say(absl::StrCat("joining ", config->controller));
  if (const absl::Status joined = EnsureIdentity(MakeEnroll(*config), flags.token_file);
      !joined.ok()) {
    return Complain(joined, IsRefusal(joined) ? EX_CONFIG : EXIT_FAILURE, &service);
  }
  service.Say("looking at PostgreSQL");
  const absl::Status failed = Run(*config, &service);  // returns only if it failed
  return Complain(failed, absl::IsDataLoss(failed) ? EX_CONFIG : EXIT_FAILURE, &service);
}

absl::Status RenewIdentity(const Flags& flags) {
  PGM_ASSIGN_OR_RETURN(const AgentConfig config, LoadAgentConfig(flags.config));
  const EnrollConfig enroll = MakeEnroll(config);
  PGM_RETURN_IF_ERROR(CheckIdentity(enroll));
  return Renew(enroll);
}

// Beside an agent that runs: it takes up the new certificate by itself.
int RenewNow(const Flags& flags) {
  const absl::Status status = RenewIdentity(flags);
  if (!status.ok()) {
    std::fputs(FormatError(status).c_str(), stderr);
  }
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace pgmahout::agent

int main(int argc, char** argv) {
  // Debian builds Abseil's mutexes with deadlock detection, which costs every gRPC lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CLI::App app("The pgmahout node agent: makes this VM match what the controller wants.");
  pgmahout::agent::Flags flags;
  app.add_option("--config", flags.config, "agent.yaml")->default_val("/etc/pgmahout/agent.yaml");
  app.add_option("--token-file", flags.token_file, "a one-time token, to join with");
  app.add_flag("--renew", flags.renew,
               "get a new certificate for this node's key, then end; as the agent's user");
  app.set_version_flag("--version", std::string(pgmahout::kVersion));
  CLI11_PARSE(app, argc, argv);
  if (flags.renew) {
    return pgmahout::agent::RenewNow(flags);
  }
  return pgmahout::agent::Main(flags);
}
