// SPDX-License-Identifier: Apache-2.0
// The first message of a stream, and texts that people read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/wire/convert.h"

namespace pgmahout {
namespace {

using ::testing::HasSubstr;

v1::Hello GoodHello() {
  v1::Hello hello;
  hello.set_node("db1");
  hello.set_address("10.0.0.1");
  hello.set_agent_version("0.1.0");
  hello.set_boot_id("b8a5b5b0-0d5c-4f9b-9a9d-0f6f1f6c7a10");
  hello.set_instance_id("0123456789abcdef");
  hello.set_state_id("0123456789abcdef0123456789abcdef");
  return hello;
}

TEST(Hello, OfAnHonestAgentIsFine) {
  EXPECT_TRUE(CheckHello(GoodHello()).ok());
  v1::Hello hello = GoodHello();
  hello.set_address("2001:db8::1");
  EXPECT_TRUE(CheckHello(hello).ok());
}

// The address goes into DNS, pg_hba.conf and primary_conninfo.
TEST(Hello, AddressMustBeAnAddress) {
  for (const char* address : {"", "db1.example", "10.0.0.1 host=evil", "10.0.0.1\n", "0.0.0.0/0"}) {
    v1::Hello hello = GoodHello();
    hello.set_address(address);
    const absl::Status status = CheckHello(hello);
    EXPECT_THAT(std::string(status.message()), HasSubstr("is no IP address")) << address;
    EXPECT_FALSE(InfoOf(status).hint.empty());
  }
}

TEST(Hello, HugeOrUnprintableTextsAreRefused) {
  for (const std::string& text : {std::string(129, 'x'), std::string("a\nb"), std::string("a b")}) {
    v1::Hello hello = GoodHello();
    hello.set_state_id(text);
    EXPECT_THAT(std::string(CheckHello(hello).message()), HasSubstr("stateId"));
    hello = GoodHello();
    hello.set_instance_id(text);
    EXPECT_FALSE(CheckHello(hello).ok());
  }
  v1::Hello hello = GoodHello();
  hello.set_node("../db1");
  EXPECT_FALSE(CheckHello(hello).ok());
  hello = GoodHello();
  for (uint32_t i = 0; i < 65; ++i) {
    hello.add_postgres_majors(i);
  }
  EXPECT_FALSE(CheckHello(hello).ok());
}

TEST(Reports, TextsForPeopleHaveNoControlCharacters) {
  v1::MemberReport proto;
  proto.set_step("base-backup\x1b[2J");
  proto.set_step_error("failed\n2026-11-21T00:00:00Z INFO promoted db9");
  const auto report = FromProto(proto);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->step, "base-backup [2J");
  EXPECT_EQ(report->step_error, "failed 2026-11-21T00:00:00Z INFO promoted db9");
}

TEST(Reports, NamesAndVersionsAreShort) {
  v1::MemberReport proto;
  proto.set_server_version(std::string(257, '1'));
  EXPECT_THAT(std::string(FromProto(proto).status().message()),
              HasSubstr("serverVersion has 257 bytes; at most 256 are allowed"));
  proto.Clear();
  proto.add_pending_restart(std::string(300, 'x'));
  EXPECT_FALSE(FromProto(proto).ok());
  proto.Clear();
  proto.add_attached()->set_node(std::string(300, 'x'));
  EXPECT_FALSE(FromProto(proto).ok());
}

}  // namespace
}  // namespace pgmahout
