// SPDX-License-Identifier: Apache-2.0
// AdminService: what the CLI, Ansible and CI ask of the controller. Every handler checks the caller
// on gRPC's thread, does its work on the loop and answers from there.
#pragma once

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/base/event_loop.h"
#include "common/wire/violations.h"
#include "controller/conductor/conductor.h"
#include "controller/conductor/registry.h"
#include "controller/conductor/secrets.h"
#include "controller/store/store.h"
#include "pgmahout/v1/admin.grpc.pb.h"

namespace pgmahout::controller {

struct AdminDependencies {
  EventLoop& loop;
  Conductor& conductor;
  Registry& registry;
  Secrets& secrets;
  Store& store;
};

// What is wrong in a spec, as an answer says it.
void FillNotes(const std::vector<SpecViolation>& violations,
               google::protobuf::RepeatedPtrField<v1::FieldNote>* notes);

class AdminService : public v1::AdminService::CallbackService {
 public:
  explicit AdminService(const AdminDependencies& dependencies) : on_(dependencies) {}

  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* GetVersion(Context*, const v1::GetVersionRequest*, v1::GetVersionResponse*) override;
  Unary* ApplyCluster(Context*, const v1::ApplyClusterRequest*, v1::ApplyClusterResponse*) override;
  Unary* GetClusterSpec(Context*, const v1::ClusterRequest*, v1::Cluster*) override;
  Unary* GetCluster(Context*, const v1::ClusterRequest*, v1::ClusterStatus*) override;
  Unary* ListClusters(Context*, const v1::ListClustersRequest*, v1::ListClustersResponse*) override;
  grpc::ServerWriteReactor<v1::ClusterStatus>* WatchCluster(Context*,
                                                            const v1::ClusterRequest*) override;
  Unary* Switchover(Context*, const v1::SwitchoverRequest*, v1::ActionResponse*) override;
  Unary* Failover(Context*, const v1::FailoverRequest*, v1::ActionResponse*) override;
  Unary* SetPause(Context*, const v1::PauseRequest*, v1::ActionResponse*) override;
  Unary* SetMaintenance(Context*, const v1::MaintenanceRequest*, v1::ActionResponse*) override;
  Unary* Reinit(Context*, const v1::ReinitRequest*, v1::ActionResponse*) override;
  Unary* Restart(Context*, const v1::RestartRequest*, v1::ActionResponse*) override;
  Unary* AdoptCluster(Context*, const v1::AdoptClusterRequest*, v1::AdoptClusterResponse*) override;
  Unary* DeleteCluster(Context*, const v1::DeleteClusterRequest*, v1::ActionResponse*) override;
  Unary* ListEvents(Context*, const v1::ListEventsRequest*, v1::ListEventsResponse*) override;
  Unary* GetCredential(Context*, const v1::CredentialRequest*, v1::CredentialResponse*) override;
  Unary* ListNodes(Context*, const v1::ListNodesRequest*, v1::ListNodesResponse*) override;
  Unary* RemoveNode(Context*, const v1::NodeRequest*, v1::ActionResponse*) override;
  Unary* CreateToken(Context*, const v1::CreateTokenRequest*, v1::CreateTokenResponse*) override;
  Unary* ListTokens(Context*, const v1::ListTokensRequest*, v1::ListTokensResponse*) override;
  Unary* RevokeToken(Context*, const v1::RevokeTokenRequest*, v1::ActionResponse*) override;

 private:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // Runs `work` on the loop for a caller who is an admin, and answers with what it hands to its
  // Done.
  Unary* Run(Context* context, absl::AnyInvocable<void(Done)> work);
  // Likewise, for work that is done when it returns.
  Unary* RunNow(Context* context, absl::AnyInvocable<absl::Status()> work);

  absl::StatusOr<const ClusterState*> Find(const std::string& cluster) const;
  void Apply(const v1::ApplyClusterRequest& request, v1::ApplyClusterResponse* response, Done done);
  void Adopt(const v1::AdoptClusterRequest& request, v1::AdoptClusterResponse* response, Done done);
  void Delete(const v1::DeleteClusterRequest& request, v1::ActionResponse* response, Done done);

  // A request for Conductor::Request, and how to tell it.
  struct CareOrder {
    std::string cluster;
    Event request;
    bool dry_run = false;
    std::string what;  // "the restart", for a dry run
    std::string done;  // what is said else
  };

  void Order(const CareOrder& order, v1::ActionResponse* response, Done done);
  // With `dry_run` what `request` would lead to; the cluster's name always.
  void FillSteps(const std::string& cluster,
                 const Event& request,
                 bool dry_run,
                 v1::ActionResponse* response) const;

  AdminDependencies on_;
};

}  // namespace pgmahout::controller
