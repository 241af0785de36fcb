// SPDX-License-Identifier: Apache-2.0
// Names and intents: what is published in which form, and what is refused before anything is sent.
#include "controller/dns/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "controller/dns/dns_name.h"

namespace pgmahout::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

DnsIntent Intent() {
  DnsIntent intent;
  intent.primary_name = "orders-rw.db.example.";
  intent.primary_addresses = {"10.0.0.1"};
  intent.epoch = 4;
  intent.change = 17;
  return intent;
}

void ExpectRefused(const DnsIntent& intent, const std::string& text) {
  const auto plan = PlanPublication(intent, "db.example.");
  ASSERT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_THAT(FormatError(plan.status()), HasSubstr(text));
}

TEST(DnsName, IsBroughtIntoOneForm) {
  EXPECT_EQ(NormalizeDnsName("Orders-RW.DB.example").value(), "orders-rw.db.example.");
  EXPECT_EQ(NormalizeDnsName("_a.b.").value(), "_a.b.");
}

TEST(DnsName, KeepsToTheLengthsOfRfc1035) {
  const std::string label(63, 'a');
  const std::string three = label + "." + label + "." + label + ".";  // 192 bytes
  EXPECT_TRUE(NormalizeDnsName(label + ".example.").ok());
  EXPECT_FALSE(NormalizeDnsName(label + "a.example.").ok());
  EXPECT_TRUE(NormalizeDnsName(three + std::string(61, 'b') + ".").ok());   // 255 on the wire
  EXPECT_FALSE(NormalizeDnsName(three + std::string(62, 'b') + ".").ok());  // 256
}

TEST(DnsName, RefusesWhatIsNotAHostName) {
  for (const char* text : {"", ".", "a..b", ".a", "a b.example.", "*.example.", "a\\.b.example.",
                           "-a.example.", "a-.example.", "a.example..", "\xc3\xa4.example."}) {
    EXPECT_EQ(NormalizeDnsName(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(DnsName, LiesInAZoneByWholeLabels) {
  EXPECT_TRUE(DnsNameIsInZone("a.db.example.", "db.example."));
  EXPECT_TRUE(DnsNameIsInZone("db.example.", "db.example."));
  EXPECT_FALSE(DnsNameIsInZone("olddb.example.", "db.example."));
  EXPECT_FALSE(DnsNameIsInZone("example.", "db.example."));
}

TEST(PlanPublication, SortsAddressesByFamilyInCanonicalText) {
  DnsIntent intent = Intent();
  intent.primary_name = "Orders-RW.db.example";
  intent.standbys_name = "orders-ro.db.example.";
  intent.standby_addresses = {"10.0.0.3", "2001:DB8:0:0::2", "10.0.0.2", "10.0.0.3"};
  intent.member_names = {{"db1.db.example.", "10.0.0.1"}};
  const auto plan = PlanPublication(intent, "db.example.");
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->names.size(), 3);
  EXPECT_EQ(plan->primary_name(), "orders-rw.db.example.");
  EXPECT_THAT(plan->names[1].ipv4, ElementsAre("10.0.0.2", "10.0.0.3"));
  EXPECT_THAT(plan->names[1].ipv6, ElementsAre("2001:db8::2"));
  EXPECT_EQ(plan->names[2].name, "db1.db.example.");
  EXPECT_EQ(plan->version, (NameVersion{4, 17}));
}

TEST(PlanPublication, LetsTheStandbysNameBeEmpty) {
  DnsIntent intent = Intent();
  intent.standbys_name = "orders-ro.db.example.";
  const auto plan = PlanPublication(intent, "db.example.");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->names.at(1).ipv4, IsEmpty());
}

TEST(PlanPublication, RefusesNamesOutsideTheZone) {
  DnsIntent intent = Intent();
  intent.primary_name = "orders-rw.other.example.";
  ExpectRefused(intent, "\"orders-rw.other.example.\": it is not in zone \"db.example.\"");
  intent = Intent();
  intent.primary_name = "orders-rw";
  ExpectRefused(intent, "it is not in zone");
}

TEST(PlanPublication, RefusesOneNameForTwoThings) {
  DnsIntent intent = Intent();
  intent.standbys_name = "ORDERS-RW.db.example";
  ExpectRefused(intent, "the name is used twice");
  intent = Intent();
  intent.member_names = {{"orders-rw.db.example", "10.0.0.1"}};
  ExpectRefused(intent, "the name is used twice");
}

TEST(PlanPublication, RefusesAPrimaryWithoutAddress) {
  DnsIntent intent = Intent();
  intent.primary_addresses.clear();
  ExpectRefused(intent, "the primary has no address");
}

TEST(PlanPublication, RefusesWhatIsNoHostsAddress) {
  for (const char* text : {"", "db1", "10.0.0.256", "10.0.0.1:5432", "0.0.0.0", "::", "224.0.0.1",
                           "ff02::1", "::ffff:10.0.0.1", "10.0.0.1/24"}) {
    DnsIntent intent = Intent();
    intent.primary_addresses = {text};
    ExpectRefused(intent, "not a host's address");
  }
}

TEST(PlanPublication, RefusesATtlThatDnsCannotCarry) {
  DnsIntent intent = Intent();
  intent.ttl_seconds = 2147483648U;
  ExpectRefused(intent, "the limit is 2147483647");
}

}  // namespace
}  // namespace pgmahout::controller
