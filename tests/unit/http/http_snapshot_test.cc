// SPDX-License-Identifier: Apache-2.0
// What the controller's HTTP endpoint copies from a conductor with a real store.
#include "controller/api/http_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/event_loop.h"
#include "common/base/status_macros.h"
#include "common/net/pki.h"
#include "controller/conductor/registry.h"
#include "controller/store/sqlite_store.h"
#include "tests/unit/net/temporary_directory.h"

namespace pgmahout::controller {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Pair;

class SilentStream : public AgentStream {
 public:
  void Send(v1::ControllerMessage /*message*/) override {}

  void Close(const absl::Status& /*reason*/) override {}
};

AgentHello HelloFrom(const std::string& node, const std::string& address) {
  AgentHello hello;
  hello.node = node;
  hello.address = address;
  hello.state_id = node;
  return hello;
}

class SnapshotOfTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = SqliteStore::Open(directory_.path() + "/controller.db");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto box = SecretBox::LoadOrCreate(directory_.path() + "/secrets.key");
    ASSERT_TRUE(box.ok()) << box.status();
    secrets_ = std::make_unique<Secrets>(*store_, *std::move(box));
    conductor_ = std::make_unique<Conductor>(loop_, SystemClock(), *store_, *secrets_, names_);
    ASSERT_TRUE(conductor_->Start({}, false).ok());
  }

  // As an administrator and an agent do it.
  absl::Status Join(const std::string& node, const std::string& address) {
    PGM_ASSIGN_OR_RETURN(
        const auto authority,
        CertificateAuthority::LoadOrCreate(directory_.path(), SystemClock().WallMilliseconds()));
    Registry registry(*store_, *authority, SystemClock());
    PGM_ASSIGN_OR_RETURN(const NewToken token, registry.CreateToken(node, 600));
    PGM_ASSIGN_OR_RETURN(const std::string key, GeneratePrivateKey());
    PGM_ASSIGN_OR_RETURN(const std::string request, MakeRequest(key));
    return registry.Join(Joining{token.text, node, address, request}).status();
  }

  // Whether the cluster has heard of its agent by now.
  bool Knows(const std::string& cluster, const std::string& node) const {
    const ClusterState* state = conductor_->Find(cluster);
    return state != nullptr && !state->members.at(node).address.empty();
  }

  pgmahout::testing::TemporaryDirectory directory_;
  EventLoop loop_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Secrets> secrets_;
  NamesRouter names_;
  SilentStream stream_;
  SilentStream spare_stream_;
  std::unique_ptr<Conductor> conductor_;
};

TEST_F(SnapshotOfTest, AMemberThatIsAwayStaysATarget) {
  ASSERT_TRUE(Join("db1", "10.0.0.1").ok());
  ASSERT_TRUE(conductor_->Arrived(&stream_, HelloFrom("db1", "10.0.0.1")).ok());
  ASSERT_TRUE(conductor_->Arrived(&spare_stream_, HelloFrom("spare", "10.0.0.3")).ok());
  ClusterSpec spec;
  spec.name = "orders";
  spec.nodes = {"db1"};
  absl::Status applied = absl::UnknownError("no reply");
  conductor_->Apply(spec, [&](const absl::Status& status) {
    applied = status;
    if (!status.ok()) {
      loop_.Stop();
    }
  });
  loop_.Every(Duration{10}, [this] {
    if (Knows("orders", "db1")) {
      conductor_->Gone(&stream_);
      loop_.Stop();
    }
  });
  loop_.Run();
  ASSERT_TRUE(applied.ok()) << applied;

  conductor_->counters().joins_refused = 5;
  const ControllerSnapshot snapshot = SnapshotOf(*conductor_, 7);
  EXPECT_EQ(snapshot.incarnation, 7);
  EXPECT_EQ(snapshot.agents_connected, 1);
  EXPECT_THAT(snapshot.targets,
              ElementsAre(Target{"db1", "10.0.0.1", "orders"}, Target{"spare", "10.0.0.3", ""}));
  EXPECT_EQ(snapshot.counters.joins_refused, 5);
  ASSERT_EQ(snapshot.clusters.size(), 1);
  EXPECT_EQ(snapshot.clusters[0].name, "orders");
  EXPECT_EQ(snapshot.clusters[0].phase, "Creating");
  EXPECT_FALSE(snapshot.clusters[0].names_wanted);
  EXPECT_THAT(snapshot.clusters[0].members, Contains(Pair("db1", "unknown")));
}

TEST_F(SnapshotOfTest, OfNothingIsEmpty) {
  const ControllerSnapshot snapshot = SnapshotOf(*conductor_, 1);
  EXPECT_TRUE(snapshot.targets.empty());
  EXPECT_TRUE(snapshot.clusters.empty());
}

}  // namespace
}  // namespace pgmahout::controller
