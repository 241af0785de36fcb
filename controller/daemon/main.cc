// SPDX-License-Identifier: Apache-2.0
// pgmahout-controller: wiring only. Opens its store, makes its CA if it has none, serves agents and
// admins, and drives the clusters until SIGTERM.
#include <grpcpp/grpcpp.h>
#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/event_loop.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/systemd_notify.h"
#include "common/base/version.h"
#include "controller/api/admin_service.h"
#include "controller/api/agent_service.h"
#include "controller/api/http.h"
#include "controller/api/http_snapshot.h"
#include "controller/daemon/admin_files.h"
#include "controller/daemon/config.h"
#include "controller/daemon/service.h"
#include "controller/daemon/state_files.h"
#include "controller/dns/rfc2136_publisher.h"
#include "controller/dns/tsig_key.h"
#include "controller/store/sqlite_store.h"

namespace pgmahout::controller {
namespace {

constexpr int kServerDays = 365;
constexpr Duration kShowPeriod{1'000};

absl::Status AddZones(const ControllerConfig& config, NamesRouter* names) {
  for (const ZoneConfig& zone : config.zones) {
    PGM_ASSIGN_OR_RETURN(const std::string text, ReadFile(zone.tsig_key_file, size_t{1} << 16));
    absl::StatusOr<TsigKey> key = ParseTsigKeyFile(text);
    if (!key.ok()) {
      return Annotate(key.status(), absl::StrCat("cannot read \"", zone.tsig_key_file, "\""));
    }
    const Rfc2136Config rfc2136{zone.zone, zone.servers, key->name, key->secret_base64,
                                key->algorithm};
    PGM_ASSIGN_OR_RETURN(std::unique_ptr<DnsPublisher> publisher,
                         NewRfc2136Publisher(rfc2136, SystemClock()));
    names->Add(zone.zone, std::move(publisher));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(
    const CertificateAuthority& authority) {
  CertificateTerms terms;
  terms.identity = Identity{IdentityKind::kController, "main"};
  terms.dns_names = {"pgmahout-controller"};
  terms.days = kServerDays;
  terms.now_ms = SystemClock().WallMilliseconds();
  PGM_ASSIGN_OR_RETURN(const KeyAndCertificate issued, authority.Issue(terms));
  grpc::SslServerCredentialsOptions options(
      // A node that joins has no certificate yet; every service but enrollment asks for one.
      GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = authority.certificate_pem();
  // The CA is shown too, so that a node that joins can compare it with its token's pin.
  options.pem_key_cert_pairs.push_back(
      {issued.key_pem, absl::StrCat(issued.certificate_pem, authority.certificate_pem())});
  return grpc::SslServerCredentials(options);
}

absl::StatusOr<std::unique_ptr<grpc::Server>> Listen(
    const ControllerConfig& config,
    const std::shared_ptr<grpc::ServerCredentials>& credentials,
    const std::vector<grpc::Service*>& services) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(config.listen, credentials, &port);
  for (grpc::Service* service : services) {
    builder.RegisterService(service);
  }
  builder.SetMaxReceiveMessageSize(1 << 20);
  builder.AddChannelArgument("grpc.http2.bdp_probe", 0);
  builder.AddChannelArgument("grpc.max_concurrent_streams", 64);
  builder.AddChannelArgument("grpc.server_handshake_timeout_ms", 10'000);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return WithHint(absl::UnavailableError(absl::StrCat("cannot listen on ", config.listen)),
                    "The address is taken, or does not belong to this machine.");
  }
  return server;
}

absl::Status Run(const ControllerConfig& config, bool restored, ServiceStatus* service) {
  PGM_RETURN_IF_ERROR(MakeDirectories(config.state_dir, 0700));
  PGM_RETURN_IF_ERROR(CheckStoreIsThere(config.state_dir));
  PGM_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteStore> store,
                       SqliteStore::Open(config.state_dir + "/controller.db"));
  PGM_RETURN_IF_ERROR(CheckKeysAreThere(config.state_dir, *store));
  const Clock& clock = SystemClock();
  PGM_ASSIGN_OR_RETURN(
      const std::unique_ptr<CertificateAuthority> authority,
      CertificateAuthority::LoadOrCreate(config.state_dir, clock.WallMilliseconds()));
  PGM_ASSIGN_OR_RETURN(SecretBox box, SecretBox::LoadOrCreate(config.state_dir + "/secrets.key"));
  EventLoop loop;
  NamesRouter names;
  PGM_RETURN_IF_ERROR(AddZones(config, &names));
  Secrets secrets(*store, std::move(box));
  Registry registry(*store, *authority, clock);
  Conductor conductor(loop, clock, *store, secrets, names);
  PGM_ASSIGN_OR_RETURN(const NodeAddresses addresses, registry.Addresses());
  PGM_RETURN_IF_ERROR(conductor.Start(addresses, restored));

  AgentService agents(loop, conductor, registry);
  EnrollmentService enrollment(loop, conductor, registry);
  AdminService admin(AdminDependencies{loop, conductor, registry, secrets, *store});
  PGM_ASSIGN_OR_RETURN(const auto credentials, MakeCredentials(*authority));
  std::unique_ptr<ControllerHttp> http;
  if (!config.http_listen.empty()) {
    PGM_ASSIGN_OR_RETURN(http, ControllerHttp::Start(config.http_listen));
  }
  const auto show = [&http, &conductor, &store, service] {
    const ControllerSnapshot snapshot = SnapshotOf(conductor, store->incarnation());
    service->Say(StatusLine(snapshot));
    if (http != nullptr) {
      http->Update(snapshot);
    }
  };
  show();
  loop.Every(kShowPeriod, show);
  PGM_ASSIGN_OR_RETURN(const std::unique_ptr<grpc::Server> server,
                       Listen(config, credentials, {&agents, &enrollment, &admin}));
  PGM_RETURN_IF_ERROR(EnsureAdminFiles(config.state_dir, config.listen, *authority, clock));
  loop.Every(service->alive_period(), [service] { service->Alive(); });
  loop.OnTermination([&loop, service] {
    LogInfo("the controller ends");
    service->Stopping();
    loop.Stop();
  });
  LogInfo("pgmahout-controller runs", {{"listen", config.listen},
                                       {"version", std::string(kVersion)},
                                       {"incarnation", absl::StrCat(store->incarnation())}});
  service->Ready();  // the store is open and everybody can connect
  loop.Run();
  // What was promised is on disk already. Streams are cut by the end of the process: waiting for
  // every agent to hang up would only delay the restart.
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
int Main(const std::string& config_file, bool restored) {
  ServiceStatus service = ServiceStatus::FromEnvironment();
  const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");  // NOLINT(concurrency-mt-unsafe)
  const absl::StatusOr<ControllerConfig> config =
      LoadControllerConfig(config_file, credentials == nullptr ? "" : credentials);
  if (!config.ok()) {
    return Complain(config.status(), EX_CONFIG, &service);
  }
  const absl::Status failed = Run(*config, restored, &service);  // returns only if it failed
  return Complain(failed, absl::IsDataLoss(failed) ? EX_CONFIG : EXIT_FAILURE, &service);
}

}  // namespace
}  // namespace pgmahout::controller

int main(int argc, char** argv) {
  // Debian builds Abseil's mutexes with deadlock detection, which costs every gRPC lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CLI::App app("The pgmahout controller: decides what every PostgreSQL node should be.");
  std::string config = "/etc/pgmahout/controller.yaml";
  app.add_option("--config", config, "controller.yaml")->capture_default_str();
  bool restored = false;
  app.add_flag("--restored", restored,
               "The store is an old copy: give no orders to a cluster until all its members have "
               "reported");
  app.set_version_flag("--version", std::string(pgmahout::kVersion));
  CLI11_PARSE(app, argc, argv);
  return pgmahout::controller::Main(config, restored);
}
