// SPDX-License-Identifier: Apache-2.0
// AdminService: pause, maintenance, reinit, restart; and the steps of every --dry-run.
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "controller/api/admin_service.h"
#include "controller/core/plan.h"

namespace pgmahout::controller {
namespace {

// "pauses the cluster" for a dry run, else what was begun.
std::string Message(bool dry_run, absl::string_view what, absl::string_view done) {
  return dry_run ? absl::StrCat(what, " can be done now") : std::string(done);
}

}  // namespace

void AdminService::FillSteps(const std::string& cluster,
                             const Event& request,
                             bool dry_run,
                             v1::ActionResponse* response) const {
  response->set_cluster(cluster);
  const ClusterState* state = on_.conductor.Find(cluster);
  if (state == nullptr || !dry_run) {
    return;
  }
  for (std::string& step : StepsOf(*state, request, on_.conductor.Now())) {
    response->add_steps(std::move(step));
  }
}

void AdminService::Order(const CareOrder& order, v1::ActionResponse* response, Done done) {
  response->set_message(Message(order.dry_run, order.what, order.done));
  on_.conductor.Request(
      order.cluster, order.request, order.dry_run,
      [this, order, response, done = std::move(done)](const absl::Status& status) mutable {
        if (status.ok()) {
          // Only now: what is refused may have no steps at all.
          FillSteps(order.cluster, order.request, order.dry_run, response);
          const ClusterState* state = on_.conductor.Find(order.cluster);
          response->set_epoch(state == nullptr ? 0 : state->durable.epoch);
        }
        done(status);
      });
}

AdminService::Unary* AdminService::SetPause(Context* context,
                                            const v1::PauseRequest* request,
                                            v1::ActionResponse* response) {
  return Run(context, [this, request, response](Done done) {
    const bool paused = request->paused();
    Order({request->name(), PauseRequested{paused}, request->dry_run(),
           paused ? "the pause" : "the end of the pause",
           paused ? "the cluster is paused: nothing is repaired or moved" : "the pause is over"},
          response, std::move(done));
  });
}

AdminService::Unary* AdminService::SetMaintenance(Context* context,
                                                  const v1::MaintenanceRequest* request,
                                                  v1::ActionResponse* response) {
  return Run(context, [this, request, response](Done done) {
    for (const std::string& cluster : on_.conductor.Names()) {
      if (on_.conductor.Find(cluster)->members.count(request->node()) > 0) {
        Order({cluster, MaintenanceRequested{request->node(), request->on()}, request->dry_run(),
               request->on() ? "the maintenance" : "the end of the maintenance",
               request->on() ? "the maintenance has begun" : "the maintenance is over"},
              response, std::move(done));
        return;
      }
    }
    done(WithHint(absl::NotFoundError(
                      absl::StrCat("node \"", request->node(), "\" is a member of no cluster")),
                  "See pgmahout node list."));
  });
}

AdminService::Unary* AdminService::Reinit(Context* context,
                                          const v1::ReinitRequest* request,
                                          v1::ActionResponse* response) {
  return Run(context, [this, request, response](Done done) {
    Order({request->name(), ReinitRequested{request->node()}, request->dry_run(), "the new copy",
           "the new copy is asked for"},
          response, std::move(done));
  });
}

AdminService::Unary* AdminService::Restart(Context* context,
                                           const v1::RestartRequest* request,
                                           v1::ActionResponse* response) {
  return Run(context, [this, request, response](Done done) {
    Order(
        {request->name(), RestartRequested{request->node(), request->force(), request->in_place()},
         request->dry_run(), "the restart", "the restart has begun"},
        response, std::move(done));
  });
}

}  // namespace pgmahout::controller
