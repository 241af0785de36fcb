// SPDX-License-Identifier: Apache-2.0
// What the publisher does with servers that lie, and when it is destroyed while it works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "controller/dns/rfc2136_publisher.h"
#include "tests/unit/dns/fake_dns_server.h"

namespace pgmahout::controller {
namespace {

using ::testing::HasSubstr;
using Bytes = FakeDnsServer::Bytes;

DnsIntent Intent() {
  DnsIntent intent;
  intent.primary_name = "orders-rw.db.example.";
  intent.primary_addresses = {"10.0.0.1"};
  intent.epoch = 1;
  return intent;
}

Rfc2136Config Config(const std::string& server) {
  Rfc2136Config config;
  config.zone = "db.example";
  config.servers = {server};
  config.tsig_name = "pgmahout";
  config.tsig_secret_base64 = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ=";
  return config;
}

absl::Status PublishTo(FakeDnsServer::Behaviour behaviour) {
  const FakeDnsServer server(std::move(behaviour));
  auto publisher = NewRfc2136Publisher(Config(server.server().ToString()), SystemClock()).value();
  std::promise<absl::Status> promise;
  publisher->Publish(Intent(), Duration{4'000},
                     [&](const auto& result) { promise.set_value(result.status()); });
  return promise.get_future().get();
}

// A question without its signature, as an answer without records.
Bytes UnsignedAnswer(const Bytes& message) {
  size_t end = 12;
  while (message[end] != 0) {
    end += message[end] + 1U;
  }
  Bytes answer(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(end + 5));
  answer[10] = answer[11] = 0;  // no additional records
  return Reflect(answer);
}

TEST(Rfc2136Publisher, BelievesNoAnswerWithoutSignature) {
  const absl::Status status = PublishTo(
      [](const Bytes& message, bool) { return std::vector<Bytes>{UnsignedAnswer(message)}; });
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("not signed with our key"));
}

TEST(Rfc2136Publisher, BelievesNoAnswerThatRepeatsOurOwnSignature) {
  const absl::Status status =
      PublishTo([](const Bytes& message, bool) { return std::vector<Bytes>{Reflect(message)}; });
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
}

TEST(Rfc2136Publisher, EndsWhatIsUnderWayWhenItIsDestroyed) {
  std::promise<void> asked;
  std::atomic<int> questions = 0;
  const FakeDnsServer server([&](const Bytes&, bool) {
    if (++questions == 1) {
      asked.set_value();
    }
    return std::vector<Bytes>{};
  });
  auto publisher = NewRfc2136Publisher(Config(server.server().ToString()), SystemClock()).value();
  std::atomic<int> cancelled = 0;
  constexpr int kAttempts = 300;  // more than run at once
  for (int i = 0; i < kAttempts; ++i) {
    publisher->Publish(Intent(), Duration{60'000}, [&](const auto& result) {
      cancelled += absl::IsCancelled(result.status()) ? 1 : 0;
    });
  }
  asked.get_future().wait();
  publisher.reset();
  EXPECT_EQ(cancelled, kAttempts);
}

TEST(Rfc2136Publisher, RefusesAConfigurationThatCannotWork) {
  const auto refuse = [](auto&& change) {
    Rfc2136Config config = Config("127.0.0.1:53");
    change(config);
    const auto publisher = NewRfc2136Publisher(config, SystemClock());
    EXPECT_EQ(publisher.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(FormatError(publisher.status()), ::testing::Not(HasSubstr("c2VjcmV0")));
  };
  refuse([](Rfc2136Config& config) { config.zone = ""; });
  refuse([](Rfc2136Config& config) { config.servers.clear(); });
  refuse([](Rfc2136Config& config) { config.servers = {"ns.example."}; });
  refuse([](Rfc2136Config& config) { config.tsig_name = ""; });
  refuse([](Rfc2136Config& config) { config.tsig_algorithm = "hmac-md5"; });
  refuse([](Rfc2136Config& config) { config.tsig_secret_base64 += "*"; });
}

}  // namespace
}  // namespace pgmahout::controller
