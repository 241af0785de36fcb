// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cli/fake_admin.h"

#include <grpcpp/server_builder.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_split.h"
#include "common/base/error.h"

namespace pgmahout::cli {

grpc::Status FakeAdmin::Begin(Context* context, const std::string& method) {
  ++calls[method];
  const auto error = errors.find(method);
  if (error == errors.end() || error->second.ok()) {
    return grpc::Status::OK;
  }
  const std::string info = EncodeInfo(error->second);
  if (!info.empty()) {
    context->AddTrailingMetadata("pgmahout-error-bin", info);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(error->second.code()),
                      std::string(error->second.message()));
}

grpc::Status FakeAdmin::GetVersion(Context* context,
                                   const v1::GetVersionRequest* /*request*/,
                                   v1::GetVersionResponse* response) {
  response->set_version("9.9.9");
  return Begin(context, "GetVersion");
}

grpc::Status FakeAdmin::ApplyCluster(Context* context,
                                     const v1::ApplyClusterRequest* request,
                                     v1::ApplyClusterResponse* response) {
  apply_request = *request;
  *response = apply_response;
  return Begin(context, request->dry_run() ? "ApplyClusterDryRun" : "ApplyCluster");
}

grpc::Status FakeAdmin::GetClusterSpec(Context* context,
                                       const v1::ClusterRequest* /*request*/,
                                       v1::Cluster* response) {
  *response = spec;
  return Begin(context, "GetClusterSpec");
}

grpc::Status FakeAdmin::GetCluster(Context* context,
                                   const v1::ClusterRequest* /*request*/,
                                   v1::ClusterStatus* response) {
  *response = status;
  return Begin(context, "GetCluster");
}

grpc::Status FakeAdmin::ListClusters(Context* context,
                                     const v1::ListClustersRequest* /*request*/,
                                     v1::ListClustersResponse* response) {
  *response->add_clusters() = status;
  return Begin(context, "ListClusters");
}

grpc::Status FakeAdmin::WatchCluster(Context* context,
                                     const v1::ClusterRequest* /*request*/,
                                     grpc::ServerWriter<v1::ClusterStatus>* writer) {
  const grpc::Status begun = Begin(context, "WatchCluster");
  if (!begun.ok() || watches.empty()) {
    return begun.ok() ? grpc::Status(grpc::StatusCode::NOT_FOUND, "no such cluster") : begun;
  }
  const std::vector<v1::ClusterStatus> stream = watches.front();
  watches.pop_front();
  for (const v1::ClusterStatus& next : stream) {
    writer->Write(next);
  }
  while (watches.empty() && hold_last_watch && !context->IsCancelled()) {
    // Writing is how a synchronous server notices that the caller went away.
    writer->Write(stream.back());
  }
  return grpc::Status(static_cast<grpc::StatusCode>(watch_end.code()),
                      std::string(watch_end.message()));
}

grpc::Status FakeAdmin::Switchover(Context* context,
                                   const v1::SwitchoverRequest* request,
                                   v1::ActionResponse* response) {
  switchover_request = *request;
  *response = action_response;
  return Begin(context, "Switchover");
}

grpc::Status FakeAdmin::Failover(Context* context,
                                 const v1::FailoverRequest* request,
                                 v1::ActionResponse* response) {
  failover_request = *request;
  *response = action_response;
  return Begin(context, "Failover");
}

grpc::Status FakeAdmin::SetPause(Context* context,
                                 const v1::PauseRequest* request,
                                 v1::ActionResponse* response) {
  pause_request = *request;
  *response = action_response;
  return Begin(context, "SetPause");
}

grpc::Status FakeAdmin::SetMaintenance(Context* context,
                                       const v1::MaintenanceRequest* request,
                                       v1::ActionResponse* response) {
  maintenance_request = *request;
  *response = action_response;
  return Begin(context, "SetMaintenance");
}

grpc::Status FakeAdmin::Reinit(Context* context,
                               const v1::ReinitRequest* request,
                               v1::ActionResponse* response) {
  reinit_request = *request;
  *response = action_response;
  return Begin(context, "Reinit");
}

grpc::Status FakeAdmin::Restart(Context* context,
                                const v1::RestartRequest* request,
                                v1::ActionResponse* response) {
  restart_request = *request;
  *response = action_response;
  return Begin(context, "Restart");
}

grpc::Status FakeAdmin::AdoptCluster(Context* context,
                                     const v1::AdoptClusterRequest* request,
                                     v1::AdoptClusterResponse* response) {
  adopt_request = *request;
  *response = adopt_response;
  return Begin(context, "AdoptCluster");
}

grpc::Status FakeAdmin::DeleteCluster(Context* context,
                                      const v1::DeleteClusterRequest* request,
                                      v1::ActionResponse* response) {
  delete_request = *request;
  response->set_message("forgotten");
  return Begin(context, "DeleteCluster");
}

grpc::Status FakeAdmin::ListEvents(Context* context,
                                   const v1::ListEventsRequest* request,
                                   v1::ListEventsResponse* response) {
  events_request = *request;
  for (const v1::Event& event : events) {
    if (event.id() > request->after_id()) {
      *response->add_events() = event;
    }
  }
  return Begin(context, "ListEvents");
}

grpc::Status FakeAdmin::GetCredential(Context* context,
                                      const v1::CredentialRequest* request,
                                      v1::CredentialResponse* response) {
  response->set_password("secret-of-" + request->role());
  return Begin(context, "GetCredential");
}

grpc::Status FakeAdmin::ListNodes(Context* context,
                                  const v1::ListNodesRequest* /*request*/,
                                  v1::ListNodesResponse* response) {
  *response = nodes;
  return Begin(context, "ListNodes");
}

grpc::Status FakeAdmin::RemoveNode(Context* context,
                                   const v1::NodeRequest* /*request*/,
                                   v1::ActionResponse* response) {
  response->set_message("removed");
  return Begin(context, "RemoveNode");
}

grpc::Status FakeAdmin::CreateToken(Context* context,
                                    const v1::CreateTokenRequest* request,
                                    v1::CreateTokenResponse* response) {
  token_request = *request;
  response->set_token("pgm1.secret");
  response->set_id("t1");
  response->set_expires_ms(1'700'000'000'000);
  return Begin(context, "CreateToken");
}

grpc::Status FakeAdmin::ListTokens(Context* context,
                                   const v1::ListTokensRequest* /*request*/,
                                   v1::ListTokensResponse* response) {
  *response = tokens;
  return Begin(context, "ListTokens");
}

grpc::Status FakeAdmin::RevokeToken(Context* context,
                                    const v1::RevokeTokenRequest* /*request*/,
                                    v1::ActionResponse* response) {
  response->set_message("revoked");
  return Begin(context, "RevokeToken");
}

CliTest::CliTest() {
  std::string pattern = (std::filesystem::temp_directory_path() / "pgm-cli-XXXXXX").string();
  directory_ = mkdtemp(pattern.data());
  grpc::ServerBuilder builder;
  builder.RegisterService(&admin_);
  server_ = builder.BuildAndStart();
  admin_.status = HealthyOrders();
  admin_.spec = OrdersSpec();
}

CliTest::~CliTest() {
  server_->Shutdown();
  std::filesystem::remove_all(directory_);
}

CliResult CliTest::Run(const std::string& arguments, const std::string& input) {
  return RunWith(arguments, input, false);
}

CliResult CliTest::RunAtTerminal(const std::string& arguments, const std::string& input) {
  return RunWith(arguments, input, true);
}

CliResult CliTest::RunWith(const std::string& arguments,
                           const std::string& input,
                           bool is_terminal) {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  const Streams streams{in, out, err, is_terminal};
  const std::vector<std::string> words = absl::StrSplit(arguments, ' ', absl::SkipEmpty());
  CliResult result;
  result.code = RunCli(words, directory_ + "/config.yaml", streams, [this](const Invocation&) {
    return absl::StatusOr<std::unique_ptr<AdminStub>>(
        v1::AdminService::NewStub(server_->InProcessChannel(grpc::ChannelArguments())));
  });
  result.out = out.str();
  result.err = err.str();
  return result;
}

std::string CliTest::WriteFile(const std::string& name, const std::string& text) {
  const std::string path = directory_ + "/" + name;
  std::ofstream(path) << text;
  return path;
}

v1::ClusterStatus HealthyOrders() {
  v1::ClusterStatus status;
  status.set_name("orders");
  status.set_tenant("default");
  status.set_phase("Healthy");
  status.set_epoch(4);
  status.set_primary("db2");
  status.set_timeline(4);
  status.set_system_identifier("7423474350493388827");
  status.mutable_dns()->set_primary("orders-rw.db.example.");
  status.mutable_dns()->set_in_sync(true);
  status.mutable_dns()->add_addresses("10.0.0.2");
  for (const std::string node : {"db1", "db2", "db3"}) {
    const bool is_primary = node == "db2";
    v1::MemberStatus* const member = status.add_members();
    member->set_node(node);
    member->set_address("10.0.0." + node.substr(2));
    member->set_port(5432);
    member->set_role(is_primary ? "primary" : "standby");
    member->set_state(is_primary ? "running" : "streaming");
    member->set_timeline(4);
    member->set_receive_lsn("1A/6F0012C8");
    member->set_replay_lsn("1A/6F0012C8");
    member->set_sync(is_primary ? "" : "quorum");
    member->set_eligible(!is_primary);
    member->set_postgres_version("14.23");
    member->set_agent_version("0.1.0");
    member->set_agent_connected(true);
  }
  return status;
}

v1::Cluster OrdersSpec() {
  v1::Cluster spec;
  spec.set_api_version("pgmahout/v1");
  spec.set_kind("Cluster");
  spec.mutable_metadata()->set_name("orders");
  for (const char* node : {"db1", "db2", "db3"}) {
    spec.mutable_spec()->mutable_placement()->add_nodes(node);
  }
  spec.mutable_spec()->mutable_dns()->set_primary("orders-rw.db.example.");
  spec.mutable_spec()->mutable_dns()->set_standbys("orders-ro.db.example.");
  spec.mutable_spec()->mutable_synchronous()->set_data_durability("required");
  return spec;
}

v1::ClusterStatus OrdersIn(const std::string& phase, const std::string& primary, uint64_t epoch) {
  v1::ClusterStatus status = HealthyOrders();
  status.set_phase(phase);
  status.set_primary(primary);
  status.set_epoch(epoch);
  return status;
}

}  // namespace pgmahout::cli
