// SPDX-License-Identifier: Apache-2.0
// The way to a server and back: lost, foreign, truncated and missing answers.
#include "controller/dns/exchange.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "controller/dns/message.h"
#include "tests/unit/dns/fake_dns_server.h"

namespace pgmahout::controller {
namespace {

using Bytes = FakeDnsServer::Bytes;
using Result = absl::StatusOr<Bytes>;

constexpr Duration kTimeout{1'200};  // UDP waits for a quarter of it, twice

class ExchangeTest : public ::testing::Test {
 protected:
  ExchangeRequest Request(const DnsServer& server) const {
    ExchangeRequest request;
    request.server = server;
    request.wire = query_.wire;
    request.is_answer = [this](const Bytes& wire) { return IsReplyTo(query_, wire); };
    request.timeout = kTimeout;
    return request;
  }

  Result Run(ExchangeRequest request) {
    boost::asio::io_context io;
    std::optional<Result> result;
    int calls = 0;
    StartExchange(io, std::move(request), [&](Result outcome) {
      result = std::move(outcome);
      ++calls;
    });
    EXPECT_EQ(calls, 0) << "done ran inside StartExchange";
    io.run();
    EXPECT_EQ(calls, 1);
    return result.value_or(absl::InternalError("done did not run"));
  }

  Result Ask(FakeDnsServer::Behaviour behaviour) {
    const FakeDnsServer server(std::move(behaviour));
    return Run(Request(server.server()));
  }

  const DnsRequest query_ = MakeQuery("orders-rw.db.example.", LDNS_RR_TYPE_A, nullptr).value();
};

TEST_F(ExchangeTest, PassesOverDatagramsThatAnswerSomethingElse) {
  const auto result = Ask([](const Bytes& message, bool) -> std::vector<Bytes> {
    Bytes other_id = Reflect(message);
    other_id[0] ^= 0xff;
    Bytes other_question = Reflect(message);
    other_question[13] ^= 0x01;
    Bytes good = Reflect(message);
    return {other_id, other_question, {1, 2, 3}, {}, message, good};
  });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*result, Reflect(query_.wire));
}

TEST_F(ExchangeTest, SendsAgainWhenTheFirstDatagramIsLost) {
  std::atomic<int> datagrams = 0;
  std::atomic<int> connections = 0;
  const auto result = Ask([&](const Bytes& message, bool is_tcp) -> std::vector<Bytes> {
    connections += is_tcp ? 1 : 0;
    return ++datagrams == 1 ? std::vector<Bytes>{} : std::vector<Bytes>{Reflect(message)};
  });
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(datagrams, 2);
  EXPECT_EQ(connections, 0);
}

TEST_F(ExchangeTest, TurnsToTcpWhenUdpIsSilent) {
  const auto result = Ask([](const Bytes& message, bool is_tcp) -> std::vector<Bytes> {
    return is_tcp ? std::vector<Bytes>{Reflect(message)} : std::vector<Bytes>{};
  });
  EXPECT_TRUE(result.ok()) << result.status();
}

TEST_F(ExchangeTest, TurnsToTcpWhenTheAnswerIsTruncated) {
  std::atomic<int> datagrams = 0;
  const auto result = Ask([&](const Bytes& message, bool is_tcp) -> std::vector<Bytes> {
    datagrams += is_tcp ? 0 : 1;
    Bytes answer = Reflect(message);
    answer[2] |= is_tcp ? 0x00 : 0x02;
    return {answer};
  });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ((*result)[2] & 0x02, 0);
  EXPECT_EQ(datagrams, 1);
}

TEST_F(ExchangeTest, KnowsThatNothingArrivedWhereNobodyListens) {
  DnsServer server;
  {
    const FakeDnsServer gone([](const Bytes&, bool) { return std::vector<Bytes>{}; });
    server = gone.server();
  }
  const auto result = Run(Request(server));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable) << result.status();
}

TEST_F(ExchangeTest, DoesNotKnowWhatASilentServerDid) {
  const auto result = Ask([](const Bytes&, bool) { return std::vector<Bytes>{}; });
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
}

TEST_F(ExchangeTest, RefusesAForeignAnswerOnTcp) {
  const auto result = Ask([](const Bytes& message, bool is_tcp) -> std::vector<Bytes> {
    Bytes answer = Reflect(message);
    answer[0] ^= 0xff;
    return is_tcp ? std::vector<Bytes>{answer} : std::vector<Bytes>{};
  });
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
}

TEST_F(ExchangeTest, SaysNothingAfterCancel) {
  const FakeDnsServer server(
      [](const Bytes& message, bool) { return std::vector<Bytes>{Reflect(message)}; });
  boost::asio::io_context io;
  bool called = false;
  const auto exchange =
      StartExchange(io, Request(server.server()), [&](const Result&) { called = true; });
  exchange->Cancel();
  io.run();  // returns: nothing is left to wait for
  EXPECT_FALSE(called);
}

TEST(DnsServer, IsAnAddressWithAnOptionalPort) {
  EXPECT_EQ(ParseDnsServer("192.0.2.1").value().ToString(), "192.0.2.1:53");
  EXPECT_EQ(ParseDnsServer("192.0.2.1:5353").value().ToString(), "192.0.2.1:5353");
  EXPECT_EQ(ParseDnsServer("2001:db8::1").value().ToString(), "[2001:db8::1]:53");
  EXPECT_EQ(ParseDnsServer("[2001:db8::1]:5353").value().ToString(), "[2001:db8::1]:5353");
  for (const char* text : {"", "ns.example.", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536",
                           "[2001:db8::1", "[2001:db8::1]5353", "[]:53", ":53"}) {
    EXPECT_EQ(ParseDnsServer(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace pgmahout::controller
