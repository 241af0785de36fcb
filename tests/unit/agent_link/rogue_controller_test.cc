// SPDX-License-Identifier: Apache-2.0
// A controller that talks nonsense, on loopback with real TLS: its orders do not reach the agent,
// and the link outlives them.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/link/link.h"
#include "common/base/durable_file.h"
#include "common/net/pki.h"
#include "pgmahout/v1/agent.grpc.pb.h"

namespace pgmahout::agent {
namespace {

using Answers = std::vector<v1::ControllerMessage>;
using Stream = grpc::ServerReaderWriter<v1::ControllerMessage, v1::AgentMessage>;

// Answers every heartbeat with what `answers` makes of it.
class RogueController : public v1::AgentService::Service {
 public:
  explicit RogueController(std::function<Answers(const v1::AgentMessage&)> answers)
      : answers_(std::move(answers)) {}

  grpc::Status Connect(grpc::ServerContext* /*context*/, Stream* stream) override {
    v1::AgentMessage heartbeat;
    while (stream->Read(&heartbeat)) {
      for (const v1::ControllerMessage& answer : answers_(heartbeat)) {
        stream->Write(answer);
      }
    }
    return grpc::Status::OK;
  }

 private:
  const std::function<Answers(const v1::AgentMessage&)> answers_;
};

v1::ControllerMessage GoodAnswer(const v1::AgentMessage& heartbeat) {
  v1::ControllerMessage message;
  message.set_answers(heartbeat.sequence());
  message.set_controller_incarnation(3);
  message.set_epoch(7);
  message.set_lease_ms(10'000);
  return message;
}

class LinkTest : public ::testing::Test {
 protected:
  LinkTest() {
    std::string path = (std::filesystem::temp_directory_path() / "pgm-link-XXXXXX").string();
    directory_ = mkdtemp(path.data());
    const int64_t now = SystemClock().WallMilliseconds();
    authority_ = *CertificateAuthority::LoadOrCreate(directory_, now);
    const KeyAndCertificate node = Issue({IdentityKind::kNode, "db1"}, "db1");
    EXPECT_TRUE(WriteFileDurably(directory_ + "/node.key", node.key_pem, 0600).ok());
    EXPECT_TRUE(WriteFileDurably(directory_ + "/node.crt", node.certificate_pem, 0600).ok());
  }

  ~LinkTest() override {
    if (server_ != nullptr) {
      server_->Shutdown(std::chrono::system_clock::now());
    }
    loop_.Stop();
    if (thread_.joinable()) {
      thread_.join();
    }
    std::filesystem::remove_all(directory_);
  }

  KeyAndCertificate Issue(const Identity& identity, const std::string& dns_name) {
    CertificateTerms terms;
    terms.identity = identity;
    terms.dns_names = {dns_name};
    terms.now_ms = SystemClock().WallMilliseconds();
    return *authority_->Issue(terms);
  }

  void Serve(const KeyAndCertificate& identity,
             std::function<Answers(const v1::AgentMessage&)> answers) {
    controller_ = std::make_unique<RogueController>(std::move(answers));
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = authority_->certificate_pem();
    options.pem_key_cert_pairs.push_back({identity.key_pem, identity.certificate_pem});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
    builder.RegisterService(controller_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  // The agent's end: sends a heartbeat every 20 ms.
  void Dial() {
    LinkConfig config;
    config.controller = absl::StrCat("127.0.0.1:", port_);
    config.node = "db1";
    config.address = "127.0.0.1";
    config.state_id = "state";
    config.certificate_file = directory_ + "/node.crt";
    config.key_file = directory_ + "/node.key";
    config.ca_file = directory_ + "/ca.crt";
    link_ = MakeGrpcLink(loop_, SystemClock(), config);
    loop_.Post([this] {
      link_->Send(Report{});
      link_->Start([this](Received received) { Take(std::move(received)); },
                   [this](bool connected) { connected_ = connected_ || connected; });
    });
    loop_.Every(Duration{20}, [this] { link_->Send(Report{}); });
    thread_ = std::thread([this] { loop_.Run(); });
  }

  void Take(Received received) {
    const std::lock_guard lock(mutex_);
    received_.push_back(std::move(received));
    arrived_.notify_all();
  }

  // The first `count` orders that got through.
  std::vector<Received> WaitForOrders(size_t count, std::chrono::seconds timeout) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, timeout, [this, count] { return received_.size() >= count; });
    return received_;
  }

  std::string directory_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<RogueController> controller_;  // outlives the server that calls it
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  EventLoop loop_;
  std::unique_ptr<Link> link_;
  std::thread thread_;
  bool connected_ = false;  // on the loop
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Received> received_;
};

TEST_F(LinkTest, OnlyAnswersToItsOwnHeartbeatsAreOrders) {
  const auto rogue = [](const v1::AgentMessage& heartbeat) {
    Answers answers;
    v1::ControllerMessage bad = GoodAnswer(heartbeat);
    bad.set_answers(heartbeat.sequence() + 1'000);  // to a heartbeat that was never sent
    answers.push_back(bad);
    bad.set_answers(0);
    answers.push_back(bad);
    bad = GoodAnswer(heartbeat);
    bad.set_lease_ms(4'000'000'000U);
    answers.push_back(bad);
    bad = GoodAnswer(heartbeat);
    bad.mutable_desired()->set_assignment(static_cast<v1::Assignment>(77));
    answers.push_back(bad);
    bad = GoodAnswer(heartbeat);
    bad.mutable_desired()->set_cluster("../orders");
    answers.push_back(bad);
    answers.push_back(GoodAnswer(heartbeat));
    return answers;
  };
  ASSERT_NO_FATAL_FAILURE(
      Serve(Issue({IdentityKind::kController, "main"}, "pgmahout-controller"), rogue));
  const BootTime before = SystemClock().Now();
  Dial();
  const std::vector<Received> received = WaitForOrders(3, std::chrono::seconds(10));
  ASSERT_GE(received.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(received[i].order.answers, i + 1) << "one order per heartbeat got through";
    EXPECT_EQ(received[i].order.lease, Duration{10'000});
    EXPECT_FALSE(received[i].desired.has_value());
    EXPECT_GE(received[i].sent_at, before);
  }
}

// It may come late; it may not come for a heartbeat that is long forgotten.
TEST_F(LinkTest, AnswerToAForgottenHeartbeatIsNoOrder) {
  const auto rogue = [](const v1::AgentMessage& heartbeat) {
    v1::ControllerMessage stale = GoodAnswer(heartbeat);
    stale.set_answers(1);
    return Answers{stale};
  };
  ASSERT_NO_FATAL_FAILURE(
      Serve(Issue({IdentityKind::kController, "main"}, "pgmahout-controller"), rogue));
  Dial();
  EXPECT_EQ(WaitForOrders(64, std::chrono::seconds(10)).size(), 64U);
  EXPECT_EQ(WaitForOrders(65, std::chrono::seconds(2)).size(), 64U)
      << "the last 64 heartbeats are remembered";
}

TEST_F(LinkTest, AnotherNodeIsNoController) {
  const auto rogue = [](const v1::AgentMessage& heartbeat) {
    return Answers{GoodAnswer(heartbeat)};
  };
  ASSERT_NO_FATAL_FAILURE(Serve(Issue({IdentityKind::kNode, "db2"}, "db2"), rogue));
  Dial();
  std::unique_lock lock(mutex_);
  EXPECT_FALSE(
      arrived_.wait_for(lock, std::chrono::seconds(2), [this] { return !received_.empty(); }));
}

}  // namespace
}  // namespace pgmahout::agent
