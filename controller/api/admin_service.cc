// SPDX-License-Identifier: Apache-2.0
#include "controller/api/admin_service.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/wire/convert.h"
#include "controller/api/rpc.h"
#include "controller/api/status_view.h"
#include "controller/api/watch_reactor.h"

namespace pgmahout::controller {
namespace {

constexpr int64_t kDefaultTokenTtlSeconds = 3600;
constexpr uint32_t kDefaultEvents = 200;
constexpr uint32_t kMaxEvents = 10'000;

void FillEvent(const StoredEvent& stored, v1::Event* event) {
  event->set_id(stored.id);
  event->set_wall_ms(stored.wall_ms);
  event->set_boot_ms(stored.boot_ms);
  event->set_cluster(stored.cluster);
  event->set_node(stored.node);
  event->set_epoch(stored.epoch);
  event->set_rule(stored.rule);
  event->set_message(stored.message);
}

// The newest `limit` events, oldest first: the store pages from the old end.
absl::StatusOr<std::vector<StoredEvent>> NewestEvents(Store& store,
                                                      const v1::ListEventsRequest& request,
                                                      size_t limit) {
  std::vector<StoredEvent> events;
  uint64_t after = request.after_id();
  while (true) {
    PGM_ASSIGN_OR_RETURN(
        const std::vector<StoredEvent> page,
        store.ListEvents(request.cluster(), after, kMaxEvents, request.history_only()));
    events.insert(events.end(), page.begin(), page.end());
    if (events.size() > limit) {
      events.erase(events.begin(), events.end() - static_cast<ptrdiff_t>(limit));
    }
    if (page.size() < kMaxEvents) {
      return events;
    }
    after = page.back().id;
  }
}

}  // namespace

void FillNotes(const std::vector<SpecViolation>& violations,
               google::protobuf::RepeatedPtrField<v1::FieldNote>* notes) {
  for (const SpecViolation& violation : violations) {
    v1::FieldNote& note = *notes->Add();
    note.set_path(violation.path);
    note.set_message(violation.message);
    note.set_hint(violation.hint);
  }
}

AdminService::Unary* AdminService::Run(Context* context, absl::AnyInvocable<void(Done)> work) {
  Unary* reactor = context->DefaultReactor();
  const absl::StatusOr<Identity> caller = RequireCaller(*context, IdentityKind::kAdmin);
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(*context, caller.status()));
    return reactor;
  }
  on_.loop.Post([context, reactor, work = std::move(work)]() mutable {
    work([context, reactor](const absl::Status& status) {
      reactor->Finish(ToGrpc(*context, status));
    });
  });
  return reactor;
}

AdminService::Unary* AdminService::RunNow(Context* context,
                                          absl::AnyInvocable<absl::Status()> work) {
  return Run(context, [work = std::move(work)](Done done) mutable { done(work()); });
}

absl::StatusOr<const ClusterState*> AdminService::Find(const std::string& cluster) const {
  const ClusterState* state = on_.conductor.Find(cluster);
  if (state == nullptr) {
    return WithHint(absl::NotFoundError(absl::StrCat("cluster \"", cluster, "\" does not exist")),
                    "See pgmahout cluster list.");
  }
  return state;
}

AdminService::Unary* AdminService::GetVersion(Context* context,
                                              const v1::GetVersionRequest* /*request*/,
                                              v1::GetVersionResponse* response) {
  return RunNow(context, [this, response] {
    response->set_version(std::string(kVersion));
    response->set_incarnation(on_.store.incarnation());
    return absl::OkStatus();
  });
}

// ---- Clusters ----

void AdminService::Apply(const v1::ApplyClusterRequest& request,
                         v1::ApplyClusterResponse* response,
                         Done done) {
  std::vector<SpecViolation> violations;
  absl::StatusOr<ClusterSpec> spec = ToModel(request.cluster(), &violations);
  FillNotes(violations, response->mutable_violations());
  if (!violations.empty()) {
    done(absl::OkStatus());  // the answer lists them; nothing was changed
    return;
  }
  if (!spec.ok()) {
    done(spec.status());
    return;
  }
  const ClusterState* present = on_.conductor.Find(spec->name);
  response->set_created(present == nullptr);
  response->set_revision(present == nullptr ? 1 : present->durable.revision);
  if (const absl::Status check = on_.conductor.CheckApply(*spec);
      !check.ok() || request.dry_run()) {
    done(check);
    return;
  }
  if (present != nullptr && present->durable.spec == *spec) {
    done(absl::OkStatus());
    return;
  }
  response->set_revision(present == nullptr ? 1 : present->durable.revision + 1);
  on_.conductor.Apply(*std::move(spec), std::move(done));
}

AdminService::Unary* AdminService::ApplyCluster(Context* context,
                                                const v1::ApplyClusterRequest* request,
                                                v1::ApplyClusterResponse* response) {
  return Run(context,
             [this, request, response](Done done) { Apply(*request, response, std::move(done)); });
}

AdminService::Unary* AdminService::GetClusterSpec(Context* context,
                                                  const v1::ClusterRequest* request,
                                                  v1::Cluster* response) {
  return RunNow(context, [this, request, response]() -> absl::Status {
    PGM_ASSIGN_OR_RETURN(const ClusterState* state, Find(request->name()));
    *response = ToProto(state->durable.spec);
    return absl::OkStatus();
  });
}

AdminService::Unary* AdminService::GetCluster(Context* context,
                                              const v1::ClusterRequest* request,
                                              v1::ClusterStatus* response) {
  return RunNow(context, [this, request, response]() -> absl::Status {
    PGM_ASSIGN_OR_RETURN(const ClusterState* state, Find(request->name()));
    *response = StatusView(*state, on_.conductor.Now());
    return absl::OkStatus();
  });
}

AdminService::Unary* AdminService::ListClusters(Context* context,
                                                const v1::ListClustersRequest* /*request*/,
                                                v1::ListClustersResponse* response) {
  return RunNow(context, [this, response] {
    for (const std::string& name : on_.conductor.Names()) {
      *response->add_clusters() = StatusView(*on_.conductor.Find(name), on_.conductor.Now());
    }
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::ClusterStatus>* AdminService::WatchCluster(
    Context* context, const v1::ClusterRequest* request) {
  const absl::StatusOr<Identity> caller = RequireCaller(*context, IdentityKind::kAdmin);
  return StartWatch(on_.loop, on_.conductor, *context, request->name(), caller.status());
}

AdminService::Unary* AdminService::Switchover(Context* context,
                                              const v1::SwitchoverRequest* request,
                                              v1::ActionResponse* response) {
  return Run(context, [this, request, response](Done done) {
    const ClusterState* state = on_.conductor.Find(request->name());
    response->set_epoch(state == nullptr ? 0 : state->durable.epoch + 1);
    response->set_message(request->dry_run() ? "the switchover can start now"
                                             : "the switchover has started");
    FillSteps(request->name(), SwitchoverRequested{request->target()}, request->dry_run(),
              response);
    on_.conductor.Switchover(request->name(), request->target(), request->dry_run(),
                             std::move(done));
  });
}

AdminService::Unary* AdminService::Failover(Context* context,
                                            const v1::FailoverRequest* request,
                                            v1::ActionResponse* response) {
  return Run(context, [this, request, response](Done done) {
    const ClusterState* state = on_.conductor.Find(request->name());
    response->set_epoch(state == nullptr ? 0 : state->durable.epoch);
    response->set_message(request->dry_run() ? "the failover can start now"
                                             : "the failover has started");
    FillSteps(request->name(), FailoverRequested{request->target(), request->accept_data_loss()},
              request->dry_run(), response);
    on_.conductor.Failover(request->name(),
                           FailoverRequested{request->target(), request->accept_data_loss()},
                           request->dry_run(), std::move(done));
  });
}

AdminService::Unary* AdminService::ListEvents(Context* context,
                                              const v1::ListEventsRequest* request,
                                              v1::ListEventsResponse* response) {
  return RunNow(context, [this, request, response]() -> absl::Status {
    if (!request->cluster().empty()) {
      PGM_RETURN_IF_ERROR(Find(request->cluster()).status());
    }
    const uint32_t limit = request->limit() == 0 ? kDefaultEvents : request->limit();
    PGM_ASSIGN_OR_RETURN(const std::vector<StoredEvent> events,
                         NewestEvents(on_.store, *request, std::min(limit, kMaxEvents)));
    for (const StoredEvent& stored : events) {
      FillEvent(stored, response->add_events());
    }
    return absl::OkStatus();
  });
}

AdminService::Unary* AdminService::GetCredential(Context* context,
                                                 const v1::CredentialRequest* request,
                                                 v1::CredentialResponse* response) {
  return RunNow(context, [this, request, response]() -> absl::Status {
    PGM_RETURN_IF_ERROR(Find(request->cluster()).status());
    PGM_ASSIGN_OR_RETURN(*response->mutable_password(),
                         on_.secrets.Password(request->cluster(), request->role()));
    return absl::OkStatus();
  });
}

// ---- Nodes and tokens ----

AdminService::Unary* AdminService::ListNodes(Context* context,
                                             const v1::ListNodesRequest* /*request*/,
                                             v1::ListNodesResponse* response) {
  return RunNow(context, [this, response]() -> absl::Status {
    PGM_ASSIGN_OR_RETURN(const auto nodes, on_.registry.Nodes());
    for (const auto& [name, stored] : nodes) {
      v1::Node& node = *response->add_nodes();
      node.set_name(name);
      node.set_address(stored.address());
      node.set_agent_version(stored.agent_version());
      node.set_joined_ms(stored.joined_ms());
      node.set_certificate_not_after_ms(stored.certificate_not_after_ms());
      const auto agent = on_.conductor.agents().find(name);
      node.set_connected(agent != on_.conductor.agents().end());
      if (node.connected()) {
        node.set_cluster(agent->second.cluster);
        node.set_letting_go(node.cluster().empty() && agent->second.letting_go);
        const ClusterState* state = on_.conductor.Find(node.cluster());
        if (state != nullptr) {
          node.set_role(name == state->durable.spec.witness ? "witness" : "member");
        }
      }
    }
    return absl::OkStatus();
  });
}

AdminService::Unary* AdminService::RemoveNode(Context* context,
                                              const v1::NodeRequest* request,
                                              v1::ActionResponse* response) {
  return RunNow(context, [this, request, response]() -> absl::Status {
    for (const std::string& cluster : on_.conductor.Names()) {
      if (HasAgent(*on_.conductor.Find(cluster), request->name())) {
        return WithHint(absl::FailedPreconditionError(absl::StrCat(
                            "node \"", request->name(), "\" belongs to cluster \"", cluster, "\"")),
                        "Take it out of spec.placement first.");
      }
    }
    PGM_RETURN_IF_ERROR(on_.registry.RemoveNode(request->name()));
    const auto agent = on_.conductor.agents().find(request->name());
    if (agent != on_.conductor.agents().end()) {
      agent->second.stream->Close(absl::PermissionDeniedError("this node was removed"));
    }
    response->set_message("removed");
    return absl::OkStatus();
  });
}

AdminService::Unary* AdminService::CreateToken(Context* context,
                                               const v1::CreateTokenRequest* request,
                                               v1::CreateTokenResponse* response) {
  return RunNow(context, [this, request, response]() -> absl::Status {
    const int64_t ttl =
        request->ttl_seconds() == 0 ? kDefaultTokenTtlSeconds : request->ttl_seconds();
    PGM_ASSIGN_OR_RETURN(const NewToken token, on_.registry.CreateToken(request->node(), ttl));
    response->set_token(token.text);
    response->set_id(token.id);
    response->set_expires_ms(token.expires_ms);
    return absl::OkStatus();
  });
}

AdminService::Unary* AdminService::ListTokens(Context* context,
                                              const v1::ListTokensRequest* /*request*/,
                                              v1::ListTokensResponse* response) {
  return RunNow(context, [this, response]() -> absl::Status {
    PGM_ASSIGN_OR_RETURN(const auto tokens, on_.registry.Tokens());
    for (const auto& [id, stored] : tokens) {
      v1::Token& token = *response->add_tokens();
      token.set_id(id);
      token.set_node(stored.node());
      token.set_expires_ms(stored.expires_ms());
      token.set_state(on_.registry.StateOf(stored));
    }
    return absl::OkStatus();
  });
}

AdminService::Unary* AdminService::RevokeToken(Context* context,
                                               const v1::RevokeTokenRequest* request,
                                               v1::ActionResponse* response) {
  return RunNow(context, [this, request, response]() -> absl::Status {
    PGM_RETURN_IF_ERROR(on_.registry.RevokeToken(request->id()));
    response->set_message("revoked");
    return absl::OkStatus();
  });
}

}  // namespace pgmahout::controller
