// SPDX-License-Identifier: Apache-2.0
// AdminService: making clusters of servers that run, and letting go of them.
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/wire/convert.h"
#include "controller/api/admin_service.h"
#include "controller/core/adoption.h"

namespace pgmahout::controller {
namespace {

void FillNode(const std::string& node,
              const AdoptionView& view,
              v1::AdoptClusterResponse* response) {
  v1::NodeAdoption& adoption = *response->add_nodes();
  adoption.set_node(node);
  const auto plan = view.plans.find(node);
  if (plan != view.plans.end()) {
    adoption.set_answered(true);
    *adoption.mutable_plan() = ToProto(plan->second);
  }
}

}  // namespace

void AdminService::Adopt(const v1::AdoptClusterRequest& request,
                         v1::AdoptClusterResponse* response,
                         Done done) {
  std::vector<SpecViolation> violations;
  absl::StatusOr<ClusterSpec> spec = ToModel(request.cluster(), &violations);
  FillNotes(violations, response->mutable_violations());
  if (!violations.empty() || !spec.ok()) {
    // Violations are an answer; nothing was changed.
    done(violations.empty() ? spec.status() : absl::OkStatus());
    return;
  }
  const std::string primary = request.primary().empty() ? spec->nodes.front() : request.primary();
  const auto view = on_.conductor.PreviewAdoption(*spec, primary);
  if (!view.ok()) {
    done(view.status());
    return;
  }
  response->set_complete(view->complete);
  FillNode(primary, *view, response);
  for (const std::string& node : spec->nodes) {
    if (node != primary) {
      FillNode(node, *view, response);
    }
  }
  if (request.dry_run()) {
    done(absl::OkStatus());
    return;
  }
  on_.conductor.Adopt(*std::move(spec), primary, std::move(done));
}

AdminService::Unary* AdminService::AdoptCluster(Context* context,
                                                const v1::AdoptClusterRequest* request,
                                                v1::AdoptClusterResponse* response) {
  return Run(context,
             [this, request, response](Done done) { Adopt(*request, response, std::move(done)); });
}

void AdminService::Delete(const v1::DeleteClusterRequest& request,
                          v1::ActionResponse* response,
                          Done done) {
  const absl::StatusOr<const ClusterState*> state = Find(request.name());
  absl::Status check = state.status();
  if (check.ok() && request.release()) {
    check = CheckRelease(**state, on_.conductor.Now());
  }
  if (!check.ok() || request.dry_run()) {
    response->set_message("it can be let go now");
    done(check);
    return;
  }
  response->set_message(request.release()
                            ? "let go; PostgreSQL runs on"
                            : "forgotten; PostgreSQL and its data stay where they are");
  on_.conductor.Delete(request.name(), std::move(done));
}

AdminService::Unary* AdminService::DeleteCluster(Context* context,
                                                 const v1::DeleteClusterRequest* request,
                                                 v1::ActionResponse* response) {
  return Run(context,
             [this, request, response](Done done) { Delete(*request, response, std::move(done)); });
}

}  // namespace pgmahout::controller
