// SPDX-License-Identifier: Apache-2.0
#include "controller/api/agent_service.h"

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/wire/convert.h"
#include "controller/api/rpc.h"

namespace pgmahout::controller {
namespace {

// What a stream works with; all of it belongs to the loop.
struct AgentPorts {
  EventLoop& loop;
  Conductor& conductor;
  Registry& registry;
  AgentPace& pace;
};

// The stream of one agent. Lives until gRPC says that it is done.
class AgentReactor : public grpc::ServerBidiReactor<v1::AgentMessage, v1::ControllerMessage>,
                     public AgentStream {
 public:
  AgentReactor(AgentPorts ports, grpc::CallbackServerContext& context, std::string node)
      : loop_(ports.loop),
        conductor_(ports.conductor),
        registry_(ports.registry),
        pace_(ports.pace),
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
    // The next one is read once this one was taken: however fast an agent sends, one message of it
    // is in memory, and the rest waits in its own socket.
    loop_.Post([this] {
      Take(in_);
      if (!finished_) {
        in_.Clear();
        StartRead(&in_);
      }
    });
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
      Close(status);
      conductor_.Refused(node_, status);
    }
  }

  absl::Status TakeChecked(const v1::AgentMessage& message) {
    if (!arrived_) {
      PGM_RETURN_IF_ERROR(pace_.Stream(node_, conductor_.Now()));
    }
    PGM_RETURN_IF_ERROR(pace_.Message(node_, conductor_.Now()));
    if (message.sequence() <= sequence_) {
      return absl::InvalidArgumentError(absl::StrCat("heartbeat ", message.sequence(),
                                                     " came after ", sequence_,
                                                     "; within a stream their numbers must grow"));
    }
    sequence_ = message.sequence();
    if (!arrived_) {
      PGM_RETURN_IF_ERROR(Arrive(message));
    } else if (message.has_hello()) {
      return absl::InvalidArgumentError("only the first message of a stream may say who it is");
    }
    PGM_ASSIGN_OR_RETURN(Report report, FromProto(message.report()));
    conductor_.Reported(this, sequence_, std::move(report));
    return absl::OkStatus();
  }

  absl::Status Arrive(const v1::AgentMessage& message) {
    if (!message.has_hello() || message.hello().node() != node_) {
      return absl::PermissionDeniedError(
          absl::StrCat("the certificate is node \"", node_, "\", the first message says \"",
                       absl::CEscape(message.hello().node().substr(0, 64)), "\""));
    }
    const v1::Hello& hello = message.hello();
    PGM_RETURN_IF_ERROR(CheckHello(hello));
    const AgentHello agent{node_, hello.address(), hello.agent_version(), hello.instance_id(),
                           hello.state_id()};
    // First, as Seen() writes down what it is told.
    PGM_RETURN_IF_ERROR(conductor_.CheckArrival(agent));
    PGM_RETURN_IF_ERROR(
        registry_.Seen(node_, hello.address(), hello.agent_version(), hello.state_id()));
    PGM_RETURN_IF_ERROR(conductor_.Arrived(this, agent));
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
  AgentPace& pace_;
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
  return new AgentReactor({loop_, conductor_, registry_, pace_}, *context, caller->name);
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
