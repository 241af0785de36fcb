// SPDX-License-Identifier: Apache-2.0
// Updates whose answers are lost between us and a real BIND 9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <future>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "controller/dns/rfc2136_publisher.h"
#include "tests/integration/dns/named_server.h"
#include "tests/unit/dns/fake_dns_server.h"

namespace pgmahout::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Bytes = FakeDnsServer::Bytes;

constexpr char kPrimaryName[] = "orders-rw.db.example.";

bool IsUpdate(const Bytes& message) {
  return (message[2] >> 3 & 0x0f) == 5;
}

std::vector<Bytes> Forward(const Bytes& message, const NamedServer& named) {
  boost::asio::io_context io;
  std::vector<Bytes> answers;
  ExchangeRequest request;
  request.server = ParseDnsServer(named.address()).value();
  request.wire = message;
  request.is_answer = [](const Bytes&) { return true; };
  request.timeout = Duration{5'000};
  StartExchange(io, std::move(request), [&](absl::StatusOr<Bytes> answer) {
    if (answer.ok()) {
      answers.push_back(*std::move(answer));
    }
  });
  io.run();
  return answers;
}

class LostAnswerTest : public ::testing::Test {
 protected:
  LostAnswerTest() { named_.Start(); }

  absl::StatusOr<DnsReadback> PublishThrough(FakeDnsServer::Behaviour behaviour) {
    const FakeDnsServer relay(std::move(behaviour));
    Rfc2136Config config;
    config.zone = kZone;
    config.servers = {relay.server().ToString()};
    config.tsig_name = kKeyName;
    config.tsig_secret_base64 = kKeySecret;
    auto publisher = NewRfc2136Publisher(config, SystemClock()).value();
    DnsIntent intent;
    intent.primary_name = kPrimaryName;
    intent.primary_addresses = {"10.0.0.1"};
    intent.epoch = 4;
    std::promise<absl::StatusOr<DnsReadback>> promise;
    publisher->Publish(intent, Duration{2'000}, [&](auto result) { promise.set_value(result); });
    return promise.get_future().get();
  }

  NamedServer named_;
};

// The update that is sent again meets its own work, and that is no race lost.
TEST_F(LostAnswerTest, AnUpdateThatHappenedBeforeItWasSentAgainIsASuccess) {
  std::atomic<int> updates = 0;
  const auto readback = PublishThrough([&](const Bytes& message, bool) {
    auto answers = Forward(message, named_);
    if (IsUpdate(message) && ++updates == 1) {
      answers.clear();
    }
    return answers;
  });
  ASSERT_TRUE(readback.ok()) << FormatError(readback.status());
  EXPECT_EQ(updates, 2);
  EXPECT_THAT(named_.Dig(kPrimaryName, "A"), ElementsAre("10.0.0.1"));
}

TEST_F(LostAnswerTest, AnUpdateThatNobodyAnswersMayHaveHappened) {
  const auto readback = PublishThrough([&](const Bytes& message, bool) {
    return IsUpdate(message) ? std::vector<Bytes>{} : Forward(message, named_);
  });
  EXPECT_EQ(readback.status().code(), absl::StatusCode::kDeadlineExceeded)
      << FormatError(readback.status());
  EXPECT_EQ(InfoOf(readback.status()).detail, "The change may have happened.");
  EXPECT_THAT(named_.Dig(kPrimaryName, "A"), IsEmpty());
}

}  // namespace
}  // namespace pgmahout::controller
