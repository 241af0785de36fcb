// SPDX-License-Identifier: Apache-2.0
// The publisher against a real BIND 9: what dig says before and after, and what a person is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <future>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "controller/dns/exchange.h"
#include "controller/dns/message.h"
#include "controller/dns/rfc2136_publisher.h"
#include "tests/integration/dns/named_server.h"

namespace pgmahout::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kPrimaryName[] = "orders-rw.db.example.";
constexpr char kStandbysName[] = "orders-ro.db.example.";
constexpr Duration kTimeout{8'000};

DnsIntent Intent(uint64_t epoch, uint64_t change, const std::string& address) {
  DnsIntent intent;
  intent.primary_name = kPrimaryName;
  intent.primary_addresses = {address};
  intent.epoch = epoch;
  intent.change = change;
  return intent;
}

Rfc2136Config Config(const std::vector<std::string>& servers) {
  Rfc2136Config config;
  config.zone = kZone;
  config.servers = servers;
  config.tsig_name = kKeyName;
  config.tsig_secret_base64 = kKeySecret;
  return config;
}

absl::StatusOr<DnsReadback> PublishWith(const Rfc2136Config& config,
                                        const DnsIntent& intent,
                                        Duration timeout = kTimeout) {
  auto publisher = NewRfc2136Publisher(config, SystemClock());
  if (!publisher.ok()) {
    return publisher.status();
  }
  std::promise<absl::StatusOr<DnsReadback>> promise;
  (*publisher)->Publish(intent, timeout, [&promise](auto result) { promise.set_value(result); });
  return promise.get_future().get();
}

// Keeps asking until `condition` holds; fails the test after 10 s.
template <typename Condition>
void Await(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "waited in vain";
  }
}

// Sends bytes as they are and returns the server's response code.
ldns_pkt_rcode Deliver(const DnsRequest& request, const NamedServer& server) {
  boost::asio::io_context io;
  ldns_pkt_rcode rcode = LDNS_RCODE_SERVFAIL;
  ExchangeRequest exchange;
  exchange.server = ParseDnsServer(server.address()).value();
  exchange.wire = request.wire;
  exchange.is_answer = [&request](const auto& wire) { return IsReplyTo(request, wire); };
  exchange.timeout = kTimeout;
  StartExchange(io, std::move(exchange), [&](absl::StatusOr<std::vector<uint8_t>> wire) {
    rcode = DecodeReply(request, wire.value(), nullptr)->rcode;
  });
  io.run();
  return rcode;
}

class PublishTest : public ::testing::Test {
 protected:
  void StartServer(const std::string& records = "") {
    server_ = std::make_unique<NamedServer>(records);
    server_->Start();
  }

  absl::StatusOr<DnsReadback> Publish(const DnsIntent& intent, Duration timeout = kTimeout) {
    return PublishWith(Config({server_->address()}), intent, timeout);
  }

  std::vector<std::string> Dig(const std::string& name, const std::string& type) {
    return server_->Dig(name, type);
  }

  // The zone still says what Publish(Intent(4, 17, "10.0.0.1")) made it say.
  void ExpectUnchanged() {
    EXPECT_THAT(Dig(kPrimaryName, "A"), ElementsAre("10.0.0.1"));
    EXPECT_THAT(Dig(kPrimaryName, "TXT"), ElementsAre("\"pgmahout epoch=4 change=17\""));
  }

  std::unique_ptr<NamedServer> server_;
};

TEST_F(PublishTest, FirstPublicationMakesTheNameResolve) {
  StartServer();
  ASSERT_THAT(Dig(kPrimaryName, "A"), IsEmpty());
  const auto readback = Publish(Intent(4, 17, "10.0.0.1"));
  ASSERT_TRUE(readback.ok()) << FormatError(readback.status());
  EXPECT_EQ(readback->primary_addresses, Dig(kPrimaryName, "A"));
  EXPECT_EQ(readback->epoch, 4);
  EXPECT_EQ(readback->change, 17);
  ExpectUnchanged();
}

TEST_F(PublishTest, FailoverMovesTheName) {
  StartServer();
  ASSERT_TRUE(Publish(Intent(4, 17, "10.0.0.1")).ok());
  const auto readback = Publish(Intent(5, 1, "10.0.0.2"));
  ASSERT_TRUE(readback.ok()) << FormatError(readback.status());
  EXPECT_THAT(readback->primary_addresses, ElementsAre("10.0.0.2"));
  EXPECT_THAT(Dig(kPrimaryName, "A"), ElementsAre("10.0.0.2"));
  EXPECT_THAT(Dig(kPrimaryName, "TXT"), ElementsAre("\"pgmahout epoch=5 change=1\""));
}

TEST_F(PublishTest, WhatIsInPlaceCostsNoUpdate) {
  StartServer();
  ASSERT_TRUE(Publish(Intent(4, 17, "10.0.0.1")).ok());
  const auto serial = Dig(kZone, "SOA");
  ASSERT_TRUE(Publish(Intent(4, 17, "10.0.0.1")).ok());
  EXPECT_EQ(Dig(kZone, "SOA"), serial);
}

TEST_F(PublishTest, RepairsWhatSomebodyChangedByHand) {
  StartServer("orders-rw 5 A 10.9.9.9\norders-rw 5 TXT \"pgmahout epoch=4 change=17\"");
  const auto readback = Publish(Intent(4, 17, "10.0.0.1"));
  ASSERT_TRUE(readback.ok()) << FormatError(readback.status());
  ExpectUnchanged();
}

TEST_F(PublishTest, RefusesAStaleIntentAndLeavesTheRecords) {
  StartServer();
  ASSERT_TRUE(Publish(Intent(4, 17, "10.0.0.1")).ok());
  for (const auto& stale : {Intent(3, 99, "10.0.0.9"), Intent(4, 16, "10.0.0.9")}) {
    const auto readback = Publish(stale);
    EXPECT_EQ(readback.status().code(), absl::StatusCode::kAborted);
    EXPECT_THAT(InfoOf(readback.status()).detail, HasSubstr("It holds epoch 4, change 17"));
    ExpectUnchanged();
  }
}

TEST_F(PublishTest, AnUpdateThatWasDelayedFailsAtTheServer) {
  StartServer();
  const TsigKey key = MakeTsigKey(kKeyName, "hmac-sha256", kKeySecret).value();
  const auto old_plan = PlanPublication(Intent(3, 1, "10.0.0.9"), kZone).value();
  const auto first = MakeUpdate(old_plan, nullptr, key).value();
  ASSERT_EQ(Deliver(first, *server_), LDNS_RCODE_NOERROR);

  // Signed while epoch 3 was in place; arrives after epoch 4 took over.
  DnsAnswer held;
  held.records.reset(ldns_rr_list_new());
  ldns_rr* text = nullptr;
  ASSERT_EQ(
      ldns_rr_new_frm_str(&text, "orders-rw.db.example. 5 IN TXT \"pgmahout epoch=3 change=1\"", 0,
                          nullptr, nullptr),
      LDNS_STATUS_OK);
  ASSERT_TRUE(ldns_rr_list_push_rr(held.records.get(), text));
  const auto later_plan = PlanPublication(Intent(3, 2, "10.0.0.9"), kZone).value();
  const auto delayed = MakeUpdate(later_plan, held.records.get(), key).value();
  ASSERT_TRUE(Publish(Intent(4, 17, "10.0.0.1")).ok());

  EXPECT_EQ(Deliver(delayed, *server_), LDNS_RCODE_NXRRSET);
  ExpectUnchanged();
  EXPECT_EQ(Deliver(first, *server_), LDNS_RCODE_YXRRSET) << "a duplicate of the first one";
  ExpectUnchanged();
}

TEST_F(PublishTest, SaysThatTheSecretIsWrong) {
  StartServer();
  Rfc2136Config config = Config({server_->address()});
  config.tsig_secret_base64 = "YW5vdGhlci1hbm90aGVyLWFub3RoZXItYW5vdGhlcg==";
  const auto readback = PublishWith(config, Intent(4, 17, "10.0.0.1"));
  EXPECT_EQ(readback.status().code(), absl::StatusCode::kPermissionDenied);
  const std::string error = FormatError(readback.status());
  EXPECT_THAT(error, HasSubstr("BADSIG"));
  EXPECT_THAT(error, HasSubstr("\"pgmahout.\""));
  EXPECT_THAT(error, HasSubstr(server_->address()));
  EXPECT_THAT(error, Not(HasSubstr("YW5vdGhl")));
  EXPECT_THAT(Dig(kPrimaryName, "A"), IsEmpty());
}

TEST_F(PublishTest, SaysThatTheServerDoesNotKnowTheKey) {
  StartServer();
  Rfc2136Config config = Config({server_->address()});
  config.tsig_name = "nobody";
  const auto readback = PublishWith(config, Intent(4, 17, "10.0.0.1"));
  EXPECT_EQ(readback.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(FormatError(readback.status()), HasSubstr("does not know key \"nobody.\""));
}

TEST_F(PublishTest, SaysWhichPolicyAKeyWithoutGrantNeeds) {
  StartServer();
  Rfc2136Config config = Config({server_->address()});
  config.tsig_name = kReadOnlyKeyName;
  const auto readback = PublishWith(config, Intent(4, 17, "10.0.0.1"));
  EXPECT_EQ(readback.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(readback.status().message()),
              HasSubstr("cannot update \"orders-rw.db.example.\" in zone \"db.example.\""));
  EXPECT_THAT(InfoOf(readback.status()).hint, HasSubstr("grant reader. zonesub A AAAA TXT"));
}

TEST_F(PublishTest, RefusesANameOutsideTheZone) {
  StartServer();
  DnsIntent intent = Intent(4, 17, "10.0.0.1");
  intent.primary_name = "orders-rw.other.example.";
  EXPECT_EQ(Publish(intent).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(PublishTest, SaysThatTheServerDoesNotServeTheZone) {
  StartServer();
  Rfc2136Config config = Config({server_->address()});
  config.zone = "other.example.";
  DnsIntent intent = Intent(4, 17, "10.0.0.1");
  intent.primary_name = "orders-rw.other.example.";
  const auto readback = PublishWith(config, intent);
  EXPECT_EQ(readback.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(FormatError(readback.status()), HasSubstr("serves zone \"other.example.\""));
}

TEST_F(PublishTest, ASubzoneOfTheServersZoneIsNotAZone) {
  StartServer();
  Rfc2136Config config = Config({server_->address()});
  config.zone = "sub.db.example.";
  DnsIntent intent = Intent(4, 17, "10.0.0.1");
  intent.primary_name = "orders-rw.sub.db.example.";
  const auto readback = PublishWith(config, intent);
  EXPECT_EQ(readback.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(readback.status().message()), HasSubstr("NOTAUTH"));
}

TEST_F(PublishTest, AServerThatIsDownIsToldAtOnceAndTheNextAttemptWorks) {
  StartServer();
  ASSERT_TRUE(Publish(Intent(4, 17, "10.0.0.1")).ok());
  server_->Stop();
  const auto begin = std::chrono::steady_clock::now();
  const auto readback = Publish(Intent(5, 1, "10.0.0.2"));
  EXPECT_EQ(readback.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(readback.status().message()), HasSubstr(server_->address()));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kTimeout / 2);
  server_->Start();
  const auto second = Publish(Intent(5, 1, "10.0.0.2"));
  ASSERT_TRUE(second.ok()) << FormatError(second.status());
  EXPECT_THAT(Dig(kPrimaryName, "A"), ElementsAre("10.0.0.2"));
}

TEST_F(PublishTest, AServerThatHangsEndsWithTheTimeout) {
  StartServer();
  server_->Freeze();
  EXPECT_EQ(Publish(Intent(4, 17, "10.0.0.1"), Duration{800}).status().code(),
            absl::StatusCode::kUnavailable);
  server_->Thaw();
  EXPECT_TRUE(Publish(Intent(4, 17, "10.0.0.1")).ok());
}

TEST_F(PublishTest, LeavesAForeignTextUntouched) {
  StartServer("orders-rw A 10.9.9.9\norders-rw TXT \"v=spf1 -all\"");
  const auto readback = Publish(Intent(4, 17, "10.0.0.1"));
  EXPECT_EQ(readback.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(FormatError(readback.status()), HasSubstr("v=spf1 -all"));
  EXPECT_THAT(Dig(kPrimaryName, "TXT"), ElementsAre("\"v=spf1 -all\""));
  EXPECT_THAT(Dig(kPrimaryName, "A"), ElementsAre("10.9.9.9"));
}

TEST_F(PublishTest, LeavesAnAliasUntouched) {
  StartServer("orders-rw CNAME ns");
  const auto readback = Publish(Intent(4, 17, "10.0.0.1"));
  EXPECT_EQ(readback.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(readback.status().message()), HasSubstr("alias (CNAME)"));
  EXPECT_THAT(Dig(kPrimaryName, "CNAME"), ElementsAre("ns.db.example."));
}

TEST_F(PublishTest, StandbysAndMembersGetTheirNames) {
  StartServer();
  DnsIntent intent = Intent(4, 17, "10.0.0.1");
  intent.standbys_name = kStandbysName;
  intent.standby_addresses = {"10.0.0.3", "10.0.0.2"};
  intent.member_names = {{"db1.db.example.", "10.0.0.1"}, {"db2.db.example.", "10.0.0.2"}};
  const auto readback = Publish(intent);
  ASSERT_TRUE(readback.ok()) << FormatError(readback.status());
  EXPECT_THAT(Dig(kStandbysName, "A"), ElementsAre("10.0.0.2", "10.0.0.3"));
  EXPECT_THAT(Dig("db1.db.example.", "A"), ElementsAre("10.0.0.1"));
  EXPECT_THAT(Dig("db2.db.example.", "A"), ElementsAre("10.0.0.2"));

  intent.change = 18;
  intent.standby_addresses = {};
  ASSERT_TRUE(Publish(intent).ok());
  EXPECT_THAT(Dig(kStandbysName, "A"), IsEmpty());
}

TEST_F(PublishTest, TakesIpv6Addresses) {
  StartServer();
  DnsIntent intent = Intent(4, 17, "10.0.0.1");
  intent.primary_addresses = {"2001:DB8::0:1", "10.0.0.1"};
  const auto readback = Publish(intent);
  ASSERT_TRUE(readback.ok()) << FormatError(readback.status());
  EXPECT_THAT(readback->primary_addresses, ElementsAre("10.0.0.1", "2001:db8::1"));
  EXPECT_THAT(Dig(kPrimaryName, "AAAA"), ElementsAre("2001:db8::1"));
  // The next primary has no IPv6 address: the old one must go.
  ASSERT_TRUE(Publish(Intent(5, 1, "10.0.0.2")).ok());
  EXPECT_THAT(Dig(kPrimaryName, "AAAA"), IsEmpty());
}

TEST_F(PublishTest, UpdatesAndAnswersBeyond512BytesGoOverTcp) {
  StartServer();
  DnsIntent intent = Intent(4, 17, "10.0.0.1");
  intent.primary_addresses.clear();
  for (int i = 1; i <= 60; ++i) {
    intent.primary_addresses.push_back(absl::StrCat("10.0.1.", i));
  }
  const auto readback = Publish(intent);
  ASSERT_TRUE(readback.ok()) << FormatError(readback.status());
  EXPECT_EQ(readback->primary_addresses.size(), 60);
  EXPECT_EQ(readback->primary_addresses, Dig(kPrimaryName, "A"));
}

TEST_F(PublishTest, PublishesATtlThatChangedAlone) {
  StartServer();
  ASSERT_TRUE(Publish(Intent(4, 17, "10.0.0.1")).ok());
  const auto serial = Dig(kZone, "SOA");
  DnsIntent intent = Intent(4, 17, "10.0.0.1");
  intent.ttl_seconds = 30;
  ASSERT_TRUE(Publish(intent).ok());
  EXPECT_NE(Dig(kZone, "SOA"), serial);
  ExpectUnchanged();
}

TEST_F(PublishTest, NamesTheServerThatIsBehindUntilItFollows) {
  StartServer();
  NamedServer secondary("", server_.get());
  secondary.Start();
  const Rfc2136Config config = Config({server_->address(), secondary.address()});
  const auto readback = PublishWith(config, Intent(4, 17, "10.0.0.1"));
  ASSERT_EQ(readback.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(readback.status().message()), HasSubstr(secondary.address()));
  ExpectUnchanged();
  secondary.Stop();  // it transfers the zone when it starts
  secondary.Start();
  Await([&] { return !secondary.Dig(kPrimaryName, "TXT").empty(); });
  EXPECT_TRUE(PublishWith(config, Intent(4, 17, "10.0.0.1")).ok());
}

TEST_F(PublishTest, ASecondaryDoesNotTakeUpdates) {
  StartServer();
  NamedServer secondary("", server_.get());
  secondary.Start();
  const auto readback = PublishWith(Config({secondary.address()}), Intent(4, 17, "10.0.0.1"));
  EXPECT_THAT(FormatError(readback.status()), HasSubstr(secondary.address()));
  EXPECT_EQ(readback.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Dig(kPrimaryName, "A"), IsEmpty());
}

TEST_F(PublishTest, OfManyAtOnceTheNewestWins) {
  StartServer();
  auto publisher = NewRfc2136Publisher(Config({server_->address()}), SystemClock()).value();
  constexpr int kIntents = 40;
  std::vector<std::promise<absl::Status>> promises(kIntents);
  for (int i = 0; i < kIntents; ++i) {
    publisher->Publish(Intent(4, static_cast<uint64_t>(i), absl::StrCat("10.0.2.", i + 1)),
                       kTimeout,
                       [&promises, i](auto result) { promises[i].set_value(result.status()); });
  }
  for (int i = 0; i < kIntents; ++i) {
    const absl::Status status = promises[i].get_future().get();
    EXPECT_TRUE(status.ok() || absl::IsAborted(status)) << status;
  }
  // One that lost a race was told so, and its owner tries again.
  ASSERT_TRUE(Publish(Intent(4, kIntents - 1, absl::StrCat("10.0.2.", kIntents))).ok());
  EXPECT_THAT(Dig(kPrimaryName, "A"), ElementsAre(absl::StrCat("10.0.2.", kIntents)));
  EXPECT_THAT(Dig(kPrimaryName, "TXT"), ElementsAre("\"pgmahout epoch=4 change=39\""));
}

}  // namespace
}  // namespace pgmahout::controller
