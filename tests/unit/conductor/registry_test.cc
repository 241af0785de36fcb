// SPDX-License-Identifier: Apache-2.0
// Joining and renewing: no node gets a certificate that speaks for somebody else.
#include "controller/conductor/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/store/sqlite_store.h"
#include "tests/unit/store/store_test_support.h"

namespace pgmahout::controller {
namespace {

using ::testing::HasSubstr;

class RegistryTest : public ::testing::Test {
 protected:
  RegistryTest()
      : store_(OpenOrFail(directory_.File("store.db"))),
        authority_(*CertificateAuthority::LoadOrCreate(directory_.File(""),
                                                       SystemClock().WallMilliseconds())),
        registry_(*store_, *authority_, SystemClock()),
        request_(*MakeRequest(*GeneratePrivateKey())) {}

  absl::Status Join(const std::string& node, const std::string& address) {
    const auto token = registry_.CreateToken(node, 60);
    return token.ok() ? registry_.Join({token->text, node, address, request_}).status()
                      : token.status();
  }

  TempDirectory directory_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<CertificateAuthority> authority_;
  Registry registry_;
  const std::string request_;
};

TEST_F(RegistryTest, NodeJoinsAndRenewsWithItsAddress) {
  EXPECT_TRUE(Join("db1", "10.0.0.1").ok());
  EXPECT_TRUE(registry_.Renew("db1", "2001:db8::1", request_).ok());
}

// Agents take whoever shows a certificate with that name for their controller.
TEST_F(RegistryTest, NobodyGetsACertificateOfTheController) {
  EXPECT_THAT(std::string(Join("pgmahout-controller", "10.0.0.1").message()),
              HasSubstr("is reserved"));
  EXPECT_THAT(std::string(Join("db1", "pgmahout-controller").message()),
              HasSubstr("is no IP address"));
  ASSERT_TRUE(Join("db1", "10.0.0.1").ok());
  const auto renewed = registry_.Renew("db1", "pgmahout-controller", request_);
  EXPECT_EQ(renewed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(registry_.FindNode("db1")->address(), "10.0.0.1") << "nothing was changed";
}

TEST_F(RegistryTest, KnowsTheAddressThatEachNodeToldLast) {
  ASSERT_TRUE(Join("db1", "10.0.0.1").ok());
  ASSERT_TRUE(Join("db2", "10.0.0.2").ok());
  ASSERT_TRUE(registry_.Seen("db2", "10.0.0.9", "0.1.0", "state").ok());
  const std::map<std::string, std::string> expected = {{"db1", "10.0.0.1"}, {"db2", "10.0.0.9"}};
  EXPECT_EQ(*registry_.Addresses(), expected);
}

TEST_F(RegistryTest, RefusedJoinLeavesTheTokenOpen) {
  const auto token = registry_.CreateToken("db1", 60);
  ASSERT_TRUE(token.ok());
  EXPECT_FALSE(registry_.Join({token->text, "db1", "", request_}).ok());
  EXPECT_TRUE(registry_.Join({token->text, "db1", "10.0.0.1", request_}).ok());
}

}  // namespace
}  // namespace pgmahout::controller
