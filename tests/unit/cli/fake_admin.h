// SPDX-License-Identifier: Apache-2.0
// FakeAdmin: a controller's AdminService that answers what a test wrote down, reached through gRPC
// in this process; and CliTest, which runs commands against it as a person would.
#pragma once

#include <grpcpp/server.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "controller/cli/cli.h"

namespace pgmahout::cli {

// The test writes the fields before it runs a command and reads them afterwards.
class FakeAdmin : public v1::AdminService::Service {
 public:
  using Context = grpc::ServerContext;

  std::map<std::string, absl::Status> errors;  // by method name
  std::map<std::string, int> calls;            // by method name
  v1::ClusterStatus status;
  v1::Cluster spec;
  v1::ApplyClusterResponse apply_response;
  v1::ApplyClusterRequest apply_request;
  std::deque<std::vector<v1::ClusterStatus>> watches;  // one list per stream
  bool hold_last_watch = false;  // keep the last stream open until the caller goes away
  absl::Status watch_end = absl::UnavailableError("restarting");
  v1::ActionResponse action_response;
  v1::SwitchoverRequest switchover_request;
  v1::FailoverRequest failover_request;
  v1::PauseRequest pause_request;
  v1::MaintenanceRequest maintenance_request;
  v1::ReinitRequest reinit_request;
  v1::RestartRequest restart_request;
  v1::AdoptClusterRequest adopt_request;
  v1::AdoptClusterResponse adopt_response;
  v1::DeleteClusterRequest delete_request;
  std::vector<v1::Event> events;
  v1::ListEventsRequest events_request;
  v1::ListNodesResponse nodes;
  v1::CreateTokenRequest token_request;
  v1::ListTokensResponse tokens;

  grpc::Status GetVersion(Context* context,
                          const v1::GetVersionRequest* request,
                          v1::GetVersionResponse* response) override;
  grpc::Status ApplyCluster(Context* context,
                            const v1::ApplyClusterRequest* request,
                            v1::ApplyClusterResponse* response) override;
  grpc::Status GetClusterSpec(Context* context,
                              const v1::ClusterRequest* request,
                              v1::Cluster* response) override;
  grpc::Status GetCluster(Context* context,
                          const v1::ClusterRequest* request,
                          v1::ClusterStatus* response) override;
  grpc::Status ListClusters(Context* context,
                            const v1::ListClustersRequest* request,
                            v1::ListClustersResponse* response) override;
  grpc::Status WatchCluster(Context* context,
                            const v1::ClusterRequest* request,
                            grpc::ServerWriter<v1::ClusterStatus>* writer) override;
  grpc::Status Switchover(Context* context,
                          const v1::SwitchoverRequest* request,
                          v1::ActionResponse* response) override;
  grpc::Status Failover(Context* context,
                        const v1::FailoverRequest* request,
                        v1::ActionResponse* response) override;
  grpc::Status SetPause(Context* context,
                        const v1::PauseRequest* request,
                        v1::ActionResponse* response) override;
  grpc::Status SetMaintenance(Context* context,
                              const v1::MaintenanceRequest* request,
                              v1::ActionResponse* response) override;
  grpc::Status Reinit(Context* context,
                      const v1::ReinitRequest* request,
                      v1::ActionResponse* response) override;
  grpc::Status Restart(Context* context,
                       const v1::RestartRequest* request,
                       v1::ActionResponse* response) override;
  grpc::Status AdoptCluster(Context* context,
                            const v1::AdoptClusterRequest* request,
                            v1::AdoptClusterResponse* response) override;
  grpc::Status DeleteCluster(Context* context,
                             const v1::DeleteClusterRequest* request,
                             v1::ActionResponse* response) override;
  grpc::Status ListEvents(Context* context,
                          const v1::ListEventsRequest* request,
                          v1::ListEventsResponse* response) override;
  grpc::Status GetCredential(Context* context,
                             const v1::CredentialRequest* request,
                             v1::CredentialResponse* response) override;
  grpc::Status ListNodes(Context* context,
                         const v1::ListNodesRequest* request,
                         v1::ListNodesResponse* response) override;
  grpc::Status RemoveNode(Context* context,
                          const v1::NodeRequest* request,
                          v1::ActionResponse* response) override;
  grpc::Status CreateToken(Context* context,
                           const v1::CreateTokenRequest* request,
                           v1::CreateTokenResponse* response) override;
  grpc::Status ListTokens(Context* context,
                          const v1::ListTokensRequest* request,
                          v1::ListTokensResponse* response) override;
  grpc::Status RevokeToken(Context* context,
                           const v1::RevokeTokenRequest* request,
                           v1::ActionResponse* response) override;

 private:
  // Counts the call; the error that was written down for it, as a controller sends it.
  grpc::Status Begin(Context* context, const std::string& method);
};

struct CliResult {
  int code = -1;
  std::string out;
  std::string err;
};

class CliTest : public testing::Test {
 protected:
  CliTest();
  ~CliTest() override;

  // Arguments are split at spaces.
  CliResult Run(const std::string& arguments, const std::string& input = "");
  // The same with somebody at the terminal who types `input`.
  CliResult RunAtTerminal(const std::string& arguments, const std::string& input);
  // Writes a file into this test's directory and returns its path.
  std::string WriteFile(const std::string& name, const std::string& text);

  FakeAdmin admin_;

 private:
  CliResult RunWith(const std::string& arguments, const std::string& input, bool is_terminal);

  std::unique_ptr<grpc::Server> server_;
  std::string directory_;
};

// Three members, db2 the primary, everything well; and a spec that fits.
v1::ClusterStatus HealthyOrders();
v1::Cluster OrdersSpec();

// HealthyOrders in another phase.
v1::ClusterStatus OrdersIn(const std::string& phase, const std::string& primary, uint64_t epoch);

}  // namespace pgmahout::cli
