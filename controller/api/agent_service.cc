// SPDX-License-Identifier: Apache-2.0
#include "controller/api/agent_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/wire/convert.h"
#include "controller/api/rpc.h"

namespace pgmahout::controller {
namespace {

// The stream of one agent. Lives until gRPC says that it is done.
class AgentReactor : public grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>,
                     public AgentStream {
 public:
  AgentReactor(EventLoop& loop,
               Conductor& conductor,
               Registry& registry,
               grpc::CallbackServerContext& context,
               std::string node)
      : loop_(loop),
        conductor_(conductor),
        registry_(registry),
        context_(context),
        node_(std::move(node)) {
    StartRead(&in_);
  }

  // ---- gRPC's threads ----

  void OnReadDone(bool ok) override {
    if (!ok) {
      loop_.Post([this] { Close(absl::OkStatus()); });
      return;
    }
    loop_.Post([this, message = std::move(in_)] { Take(message); });
    in_ = v1::AgentMessage();
    StartRead(&in_);
  }

  void OnWriteDone(bool /*ok*/) override {
    loop_.Post([this] { Written(); });
  }

  void OnDone() override {
    loop_.Post([this] {
      Leave();
      delete this;
    });
  }

  // ---- The loop ----

  void Send(v1::ControllerMessage message) override {
    if (finished_) {
      return;
    }
    if (writing_) {
      // The desired state of the replaced message must not be lost with it.
      if (unsent_.has_value() && unsent_->has_desired() && !message.has_desired() &&
          unsent_->generation() == message.generation()) {
        *message.mutable_desired() = std::move(*unsent_->mutable_desired());
      }
      unsent_ = std::move(message);
      return;
    }
    Write(std::move(message));
  }

  void Close(const absl::Status& reason) override {
    Leave();
    if (!std::exchange(finished_, true)) {
      Finish(ToGrpc(context_, reason));
    }
  }

 private:
  void Take(const v1::AgentMessage& message) {
    if (finished_) {
      return;
    }
    if (const absl::Status status = TakeChecked(message); !status.ok()) {
      LogWarning("an agent is refused",
                 {{"node", node_}, {"error", std::string(status.message())}});
      ++conductor_.counters().agents_refused;
      Close(status);
    }
  }

  absl::Status TakeChecked(const v1::AgentMessage& message) {
    if (message.sequence() <= sequence_) {
      return absl::InvalidArgumentError("heartbeat numbers must grow");
    }
    sequence_ = message.sequence();
    if (!arrived_) {
      PGM_RETURN_IF_ERROR(Arrive(message));
    }
    PGM_ASSIGN_OR_RETURN(Report report, FromProto(message.report()));
    conductor_.Reported(this, sequence_, std::move(report));
    return absl::OkStatus();
  }

  absl::Status Arrive(const v1::AgentMessage& message) {
    if (!message.has_hello() || message.hello().node() != node_) {
      return absl::PermissionDeniedError(absl::StrCat("the certificate is node \"", node_,
                                                      "\", the first message says \"",
                                                      message.hello().node(), "\""));
    }
    const v1::Hello& hello = message.hello();
    PGM_RETURN_IF_ERROR(
        registry_.Seen(node_, hello.address(), hello.agent_version(), hello.state_id()));
    PGM_RETURN_IF_ERROR(
        conductor_.Arrived(this, AgentHello{node_, hello.address(), hello.agent_version(),
                                            hello.instance_id(), hello.state_id()}));
    arrived_ = true;
    return absl::OkStatus();
  }

  void Write(v1::ControllerMessage message) {
    out_ = std::move(message);
    writing_ = true;
    StartWrite(&out_);
  }

  void Written() {
    writing_ = false;
    if (!finished_ && unsent_.has_value()) {
      Write(*std::exchange(unsent_, std::nullopt));
    }
  }

  void Leave() {
    if (std::exchange(arrived_, false)) {
      conductor_.Gone(this);
    }
  }

  EventLoop& loop_;
  Conductor& conductor_;
  Registry& registry_;
  grpc::CallbackServerContext& context_;
  const std::string node_;
  v1::AgentMessage in_;
  v1::ControllerMessage out_;
  std::optional<v1::ControllerMessage> unsent_;
  uint64_t sequence_ = 0;
  bool arrived_ = false;
  bool writing_ = false;
  bool finished_ = false;
};

// Refuses a stream before anything is read.
class RefusingReactor : public grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage> {
 public:
  explicit RefusingReactor(const grpc::Status& status) { Finish(status); }

  void OnDone() override { delete this; }
};

void Fill(const Joined& joined, v1::JoinResponse* response) {
  response->set_certificate_pem(joined.certificate_pem);
  response->set_ca_pem(joined.ca_pem);
}

}  // namespace

AgentService::AgentService(EventLoop& loop, Conductor& conductor, Registry& registry)
    : loop_(loop), conductor_(conductor), registry_(registry) {}

grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>* AgentService::Connect(
    grpc::CallbackServerContext* context) {
  const absl::StatusOr<Identity> caller = RequireCaller(*context, IdentityKind::kNode);
  if (!caller.ok()) {
    return new RefusingReactor(ToGrpc(*context, caller.status()));
  }
  return new AgentReactor(loop_, conductor_, registry_, *context, caller->name);
}

grpc::ServerUnaryReactor* AgentService::Renew(grpc::CallbackServerContext* context,
                                              const v1::RenewRequest* request,
                                              v1::JoinResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  loop_.Post([this, context, request, response, reactor] {
    const absl::StatusOr<Identity> caller = RequireCaller(*context, IdentityKind::kNode);
    const absl::StatusOr<Joined> joined =
        caller.ok() ? registry_.Renew(caller->name, request->address(), request->csr_pem())
                    : caller.status();
    if (joined.ok()) {
      Fill(*joined, response);
    }
    reactor->Finish(ToGrpc(*context, joined.status()));
  });
  return reactor;
}

EnrollmentService::EnrollmentService(EventLoop& loop, Conductor& conductor, Registry& registry)
    : loop_(loop), conductor_(conductor), registry_(registry) {}

grpc::ServerUnaryReactor* EnrollmentService::Join(grpc::CallbackServerContext* context,
                                                  const v1::JoinRequest* request,
                                                  v1::JoinResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  loop_.Post([this, context, request, response, reactor] {
    const absl::StatusOr<Joined> joined = registry_.Join(
        Joining{request->token(), request->node(), request->address(), request->csr_pem()});
    if (joined.ok()) {
      Fill(*joined, response);
      ++conductor_.counters().joins;
      LogInfo("a node joined", {{"node", request->node()}, {"address", request->address()}});
    } else {
      ++conductor_.counters().joins_refused;
      LogWarning("a node was refused", {{"node", request->node()},
                                        {"peer", context->peer()},
                                        {"error", std::string(joined.status().message())}});
    }
    reactor->Finish(ToGrpc(*context, joined.status()));
  });
  return reactor;
}

}  // namespace pgmahout::controller
