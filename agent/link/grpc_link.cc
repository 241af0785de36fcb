// SPDX-License-Identifier: Apache-2.0
// GrpcLink: Link over gRPC's callback API. The reactor runs on gRPC's threads and only hands bytes
// to the loop; everything else happens on the loop.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "agent/link/link.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/net/pki.h"
#include "common/wire/convert.h"
#include "pgmahout/v1/agent.grpc.pb.h"

namespace pgmahout::agent {
namespace {

constexpr Duration kBackoffMin{100};
constexpr Duration kBackoffMax{2'000};
// A connection on which nothing has been answered for so long is given up.
constexpr Duration kAnswerTimeout{4'000};
constexpr size_t kSentKept = 64;

class GrpcLink;

// One stream. Deletes itself on the loop after its last reaction; once the loop has ended, End()
// does.
class Stream : public grpc::ClientBidiReactor<v1::AgentMessage, v1::ControllerMessage> {
 public:
  Stream(GrpcLink& link, EventLoop& loop, std::shared_ptr<grpc::Channel> channel)
      : link_(link),
        loop_(loop),
        channel_(std::move(channel)),
        stub_(v1::AgentService::NewStub(channel_)) {}

  void Begin();
  // On the loop; one at a time.
  void Write(v1::AgentMessage message);
  // On the loop; the stream ends soon.
  void Close();
  // After the loop has ended: waits for the last reaction, then deletes it.
  void End();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  GrpcLink& link_;
  EventLoop& loop_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
  grpc::ClientContext context_;
  v1::AgentMessage out_;
  v1::ControllerMessage in_;
  bool held_ = true;  // on the loop
  // Shared, as the loop may delete this stream while gRPC's thread tells that it is done.
  const std::shared_ptr<absl::Notification> done_ = std::make_shared<absl::Notification>();
};

class GrpcLink : public Link {
 public:
  GrpcLink(EventLoop& loop, const Clock& clock, LinkConfig config)
      : loop_(loop),
        clock_(clock),
        config_(std::move(config)),
        instance_id_(absl::StrCat(absl::Hex(RandomSeed()))) {}

  // gRPC's threads must not find this link and its loop gone.
  ~GrpcLink() override {
    if (stream_ != nullptr) {
      stream_->End();
    }
  }

  void Start(absl::AnyInvocable<void(Received)> on_order,
             absl::AnyInvocable<void(bool)> on_state) override {
    on_order_ = std::move(on_order);
    on_state_ = std::move(on_state);
    loop_.Every(Duration{500}, [this] { GiveUpIfSilent(); });
    Connect();
  }

  void Send(const Report& report) override {
    last_report_ = report;
    if (stream_ == nullptr) {
      return;
    }
    if (writing_) {
      unsent_ = report;
      return;
    }
    Write(report);
  }

  void Closed(Stream* stream, const grpc::Status& status) {
    if (stream == stream_) {
      stream_ = nullptr;
      Disconnected(status);
    }
  }

  void Written(Stream* stream, bool ok) {
    if (stream != stream_) {
      return;
    }
    writing_ = false;
    if (ok && unsent_.has_value()) {
      Write(*std::exchange(unsent_, std::nullopt));
    }
  }

  void Read(Stream* stream, const v1::ControllerMessage& message) {
    if (stream != stream_) {
      return;
    }
    absl::StatusOr<Received> received = Convert(message);
    if (!received.ok()) {
      LogWarning("an order of the controller is refused",
                 {{"error", std::string(received.status().message())}});
      return;
    }
    last_answer_ = clock_.Now();
    backoff_ = kBackoffMin;
    if (!std::exchange(connected_, true)) {
      LogInfo("connected to the controller", {{"controller", config_.controller}});
      on_state_(true);
    }
    on_order_(*std::move(received));
  }

 private:
  // An order counts only as the answer to a heartbeat of this very stream (I5).
  absl::StatusOr<Received> Convert(const v1::ControllerMessage& message) {
    Received received;
    PGM_ASSIGN_OR_RETURN(received.order, FromProto(message));
    const auto sent = sent_.find(received.order.answers);
    if (sent == sent_.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("it answers heartbeat ", received.order.answers,
                       ", which is none of the recent ones of this connection"));
    }
    received.sent_at = sent->second;
    if (message.has_desired()) {
      PGM_ASSIGN_OR_RETURN(received.desired, FromProto(message.desired()));
    }
    return received;
  }

  absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel() {
    grpc::SslCredentialsOptions tls;
    PGM_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadFile(config_.ca_file));
    PGM_ASSIGN_OR_RETURN(tls.pem_private_key, ReadFile(config_.key_file));
    PGM_ASSIGN_OR_RETURN(tls.pem_cert_chain, ReadFile(config_.certificate_file));
    // gRPC would only say that it cannot connect.
    PGM_RETURN_IF_ERROR(CheckKeyPair(tls.pem_private_key, tls.pem_cert_chain));
    grpc::ChannelArguments arguments;
    // The controller's certificate carries this name whatever address it is reached by.
    arguments.SetSslTargetNameOverride("pgmahout-controller");
    arguments.SetInt("grpc.http2.bdp_probe", 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2'000);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
    return grpc::CreateCustomChannel(config_.controller, grpc::SslCredentials(tls), arguments);
  }

  void Connect() {
    auto channel = MakeChannel();
    if (!channel.ok()) {
      LogError("cannot connect to the controller",
               {{"error", std::string(channel.status().message())}});
      RetryLater();
      return;
    }
    sequence_ = 0;
    sent_.clear();
    writing_ = false;
    unsent_.reset();
    last_answer_ = clock_.Now();
    stream_ = new Stream(*this, loop_, *std::move(channel));
    stream_->Begin();
    Write(last_report_);
  }

  void Write(const Report& report) {
    v1::AgentMessage message;
    message.set_sequence(++sequence_);
    if (sequence_ == 1) {
      v1::Hello& hello = *message.mutable_hello();
      hello.set_node(config_.node);
      hello.set_address(config_.address);
      hello.set_agent_version(config_.agent_version);
      hello.set_boot_id(BootId());
      hello.set_instance_id(instance_id_);
      hello.set_state_id(config_.state_id);
    }
    *message.mutable_report() = ToProto(report);
    // Before the send: the controller starts its own count when it answers, so ours must already
    // be running (I1).
    sent_[sequence_] = clock_.Now();
    while (sent_.size() > kSentKept) {
      sent_.erase(sent_.begin());
    }
    writing_ = true;
    stream_->Write(std::move(message));
  }

  void GiveUpIfSilent() {
    if (stream_ != nullptr && clock_.Now() - last_answer_ >= kAnswerTimeout) {
      last_answer_ = clock_.Now();  // once per stream is enough
      stream_->Close();
    }
  }

  void Disconnected(const grpc::Status& status) {
    if (std::exchange(connected_, false)) {
      LogWarning("lost the controller",
                 {{"controller", config_.controller}, {"error", status.error_message()}});
      on_state_(false);
    } else if (status.error_message() != last_error_) {
      LogWarning("cannot reach the controller",
                 {{"controller", config_.controller}, {"error", status.error_message()}});
    }
    last_error_ = status.error_message();
    RetryLater();
  }

  void RetryLater() {
    std::uniform_int_distribution<int64_t> jitter(backoff_.count() / 2, backoff_.count());
    loop_.After(Duration{jitter(random_)}, [this] { Connect(); });
    backoff_ = std::min(backoff_ * 2, kBackoffMax);
  }

  EventLoop& loop_;
  const Clock& clock_;
  const LinkConfig config_;
  std::mt19937_64 random_{RandomSeed()};
  const std::string instance_id_;
  absl::AnyInvocable<void(Received)> on_order_;
  absl::AnyInvocable<void(bool)> on_state_;

  Stream* stream_ = nullptr;  // deletes itself
  bool connected_ = false;    // an order has arrived on this stream
  bool writing_ = false;
  uint64_t sequence_ = 0;
  std::map<uint64_t, BootTime> sent_;
  std::optional<Report> unsent_;
  Report last_report_;
  BootTime last_answer_;
  Duration backoff_ = kBackoffMin;
  std::string last_error_;
};

void Stream::Begin() {
  stub_->async()->Connect(&context_, this);
  AddHold();  // writes begin on the loop, outside of gRPC's reactions
  StartRead(&in_);
  StartCall();
}

void Stream::Write(v1::AgentMessage message) {
  if (!held_) {
    return;
  }
  out_ = std::move(message);
  StartWrite(&out_);
}

void Stream::Close() {
  context_.TryCancel();
  if (std::exchange(held_, false)) {
    RemoveHold();
  }
}

void Stream::End() {
  Close();
  done_->WaitForNotification();
  delete this;
}

void Stream::OnReadDone(bool ok) {
  if (!ok) {
    loop_.Post([this] { Close(); });
    return;
  }
  loop_.Post([this, message = std::move(in_)] { link_.Read(this, message); });
  in_ = v1::ControllerMessage();
  StartRead(&in_);
}

void Stream::OnWriteDone(bool ok) {
  loop_.Post([this, ok] { link_.Written(this, ok); });
}

void Stream::OnDone(const grpc::Status& status) {
  const std::shared_ptr<absl::Notification> done = done_;
  loop_.Post([this, status] {
    link_.Closed(this, status);
    delete this;
  });
  done->Notify();
}

}  // namespace

std::unique_ptr<Link> MakeGrpcLink(EventLoop& loop, const Clock& clock, LinkConfig config) {
  return std::make_unique<GrpcLink>(loop, clock, std::move(config));
}

}  // namespace pgmahout::agent
