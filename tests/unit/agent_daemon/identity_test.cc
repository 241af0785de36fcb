// SPDX-License-Identifier: Apache-2.0
// The node's key, certificate and state id: damage is said in so many words, and nothing is made
// anew over it.
#include "agent/daemon/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/net/pki.h"
#include "tests/unit/agent_daemon/state_directory.h"

namespace pgmahout::agent {
namespace {

using ::testing::HasSubstr;

class IdentityTest : public ::testing::Test {
 protected:
  IdentityTest() {
    const int64_t now = SystemClock().WallMilliseconds();
    authority_ = *CertificateAuthority::LoadOrCreate(ca_.path(), now);
    CertificateTerms terms;
    terms.identity = Identity{IdentityKind::kNode, "db1"};
    terms.now_ms = now;
    issued_ = *authority_->Issue(terms);
    other_ = *authority_->Issue(terms);
    config_ = EnrollConfig{
        "127.0.0.1:1",        "db1", "127.0.0.1", state_.File("node.crt"), state_.File("node.key"),
        state_.File("ca.crt")};
    Write(config_.key_file, issued_.key_pem);
    Write(config_.certificate_file, issued_.certificate_pem);
    Write(config_.ca_file, authority_->certificate_pem());
  }

  static void Write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(WriteFileDurably(path, text, 0600).ok());
  }

  void ExpectRefused(const std::string& what) {
    const absl::Status status = EnsureIdentity(config_, "");
    EXPECT_FALSE(status.ok()) << what;
    EXPECT_THAT(std::string(status.message()), HasSubstr("cannot use the identity of this node"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
    EXPECT_THAT(InfoOf(status).hint, HasSubstr("pgmahout token create --node db1"));
  }

  StateDirectory ca_, state_;
  std::unique_ptr<CertificateAuthority> authority_;
  KeyAndCertificate issued_, other_;
  EnrollConfig config_;
};

TEST_F(IdentityTest, WholeOneIsUsed) {
  EXPECT_TRUE(EnsureIdentity(config_, "").ok());
}

TEST_F(IdentityTest, DamagedKeyIsSaidToBeDamaged) {
  for (const std::string& text :
       {std::string(), issued_.key_pem.substr(0, issued_.key_pem.size() / 2),
        std::string(200, '\0')}) {
    Write(config_.key_file, text);
    ExpectRefused("the key is damaged");
    EXPECT_EQ(*ReadFile(config_.key_file), text);
  }
}

TEST_F(IdentityTest, DamagedCertificateOrCaIsSaidToBeDamaged) {
  Write(config_.certificate_file, issued_.certificate_pem.substr(0, 100));
  ExpectRefused("the certificate is damaged");
  Write(config_.certificate_file, issued_.certificate_pem);
  Write(config_.ca_file, "");
  ExpectRefused("ca.crt\" is damaged");
}

TEST_F(IdentityTest, KeyOfAnotherCertificateIsRefused) {
  Write(config_.key_file, other_.key_pem);
  ExpectRefused("the key is that of another certificate");
}

TEST_F(IdentityTest, CertificateOfAnotherNodeIsRefused) {
  config_.node = "db2";
  const absl::Status status = EnsureIdentity(config_, "");
  EXPECT_THAT(std::string(status.message()), HasSubstr("not of node \"db2\""));
}

TEST_F(IdentityTest, LostKeyIsNotTakenForANodeThatNeverJoined) {
  std::filesystem::remove(config_.key_file);
  ExpectRefused("node.key");
}

TEST_F(IdentityTest, StateIdIsMadeOnceAndNeverOverDamage) {
  const auto id = LoadStateId(state_.path());
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->size(), 32U);
  EXPECT_EQ(*LoadStateId(state_.path()), *id);
  for (const std::string& text :
       {std::string(), id->substr(0, 31), std::string(32, '\0'), *id + "0"}) {
    Write(state_.File("state-id"), text);
    const absl::Status status = LoadStateId(state_.path()).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(InfoOf(status).hint, HasSubstr("pgmahout node remove"));
    EXPECT_EQ(*ReadFile(state_.File("state-id")), text);
  }
}

}  // namespace
}  // namespace pgmahout::agent
