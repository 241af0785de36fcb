// SPDX-License-Identifier: Apache-2.0
// The gRPC side of the agents' streams, and of joining. Reactors run on gRPC's threads and hand
// bytes to the loop; the loop owns everything else.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/event_loop.h"
#include "common/net/pki.h"
#include "controller/api/agent_pace.h"
#include "controller/conductor/conductor.h"
#include "controller/conductor/registry.h"
#include "pgmahout/v1/agent.grpc.pb.h"

namespace pgmahout::controller {

class AgentService : public v1::AgentService::CallbackService {
 public:
  AgentService(EventLoop& loop, Conductor& conductor, Registry& registry);

  grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* Connect(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Renew(grpc::CallbackServerContext* context,
                                  const v1::RenewRequest* request,
                                  v1::JoinResponse* response) override;

 private:
  EventLoop& loop_;
  Conductor& conductor_;
  Registry& registry_;
  AgentPace pace_;  // used on the loop
};

class EnrollmentService : public v1::EnrollmentService::CallbackService {
 public:
  EnrollmentService(EventLoop& loop, Conductor& conductor, Registry& registry);

  grpc::ServerUnaryReactor* Join(grpc::CallbackServerContext* context,
                                 const v1::JoinRequest* request,
                                 v1::JoinResponse* response) override;

 private:
  EventLoop& loop_;
  Conductor& conductor_;
  Registry& registry_;
};

}  // namespace pgmahout::controller
