// SPDX-License-Identifier: Apache-2.0
// node and token verbs, version.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

class NodesAndTokens : public CliTest {
 protected:
  NodesAndTokens() {
    v1::Node* const node = admin_.nodes.add_nodes();
    node->set_name("db1");
    node->set_address("10.0.0.1");
    node->set_cluster("orders");
    node->set_agent_version("0.1.0");
    node->set_connected(true);
    node->set_certificate_not_after_ms(1'700'000'000'000);
    node->set_joined_ms(1'600'000'000'000);
    admin_.nodes.add_nodes()->set_name("db2");
    v1::Token* const token = admin_.tokens.add_tokens();
    token->set_id("t1");
    token->set_node("db3");
    token->set_state("open");
    token->set_expires_ms(1'700'000'000'000);
  }
};

TEST_F(NodesAndTokens, NodesAreListed) {
  EXPECT_EQ(Run("node list").out,
            "NODE  ADDRESS   CLUSTER  AGENT  CONNECTED\n"
            "db1   10.0.0.1  orders   0.1.0  yes\n"
            "db2   -         -        -      no\n");
  EXPECT_EQ(Run("node list -o name").out, "db1\ndb2\n");
  EXPECT_THAT(Run("node list -o wide").out, HasSubstr("2023-11-14T22:13:20.000Z"));
  const Json json = Json::parse(Run("node list -o json").out);
  EXPECT_EQ(json[0]["certificateNotAfter"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(json[1]["joined"], "");
}

TEST_F(NodesAndTokens, OneNodeIsShownOrItsNameIsGuessed) {
  EXPECT_THAT(Run("node show db1").out, AllOf(HasSubstr("(connected)"), HasSubstr("10.0.0.1")));
  const CliResult missing = Run("node show db11");
  EXPECT_EQ(missing.code, 3);
  EXPECT_THAT(missing.err, HasSubstr("Did you mean \"db1\"?"));
}

TEST_F(NodesAndTokens, RemovingANodeNeedsConfirmation) {
  EXPECT_EQ(Run("node remove db1").code, 4);
  const CliResult asked = RunAtTerminal("node remove db1", "db1\n");
  EXPECT_EQ(asked.code, 0);
  EXPECT_THAT(asked.err, HasSubstr("member of cluster \"orders\""));
  EXPECT_EQ(Run("node remove db2 -y").code, 0);
  EXPECT_EQ(admin_.calls["RemoveNode"], 2);
  EXPECT_EQ(Run("node remove nobody --yes").code, 3);
  EXPECT_EQ(Run("node remove db1 --dry-run").code, 0);
  EXPECT_EQ(admin_.calls["RemoveNode"], 2);
}

TEST_F(NodesAndTokens, OnlyTheTokenIsOnStdout) {
  const CliResult result = Run("token create --node db3 --ttl 10m");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "pgm1.secret\n");
  EXPECT_THAT(result.err, AllOf(HasSubstr("db3"), HasSubstr("2023-11-14T22:13:20.000Z")));
  EXPECT_EQ(admin_.token_request.ttl_seconds(), 600);
  EXPECT_EQ(Json::parse(Run("token create --node db3 -o json").out)["token"], "pgm1.secret");
  EXPECT_EQ(admin_.token_request.ttl_seconds(), 3600);
  EXPECT_EQ(Run("token create --node db3 --ttl soon").code, 2);
}

TEST_F(NodesAndTokens, TokensAreListedAndRevoked) {
  EXPECT_EQ(Run("token list").out,
            "ID  NODE  STATE  EXPIRES\n"
            "t1  db3   open   2023-11-14T22:13:20.000Z\n");
  EXPECT_EQ(Run("token revoke t1 --dry-run").code, 0);
  EXPECT_EQ(admin_.calls["RevokeToken"], 0);
  EXPECT_EQ(Run("token revoke t1").code, 0);
  EXPECT_EQ(admin_.calls["RevokeToken"], 1);
}

TEST_F(NodesAndTokens, VersionAsksTheControllerToo) {
  EXPECT_THAT(Run("version").out, AllOf(HasSubstr("pgmahout 0."), HasSubstr("controller 9.9.9")));
  EXPECT_EQ(Run("version --client").out.find("controller"), std::string::npos);
  EXPECT_EQ(admin_.calls["GetVersion"], 1);
  admin_.errors["GetVersion"] = absl::UnavailableError("gone");
  const CliResult away = Run("version");
  EXPECT_EQ(away.code, 7);
  EXPECT_THAT(away.out, HasSubstr("pgmahout 0."));
}

}  // namespace
}  // namespace pgmahout::cli
