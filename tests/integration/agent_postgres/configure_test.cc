// SPDX-License-Identifier: Apache-2.0
// Configuring a running server: what is valid is in force at once, what is not changes nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/integration/agent_postgres/node.h"

namespace pgmahout::agent {
namespace {

// One server for all tests of this file; each leaves it running and well configured.
class Configure : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    site_ = new Site;
    node_ = new Node(*site_, "db1", "127.0.77.1");
    node_->Bootstrap();
  }

  static void TearDownTestSuite() {
    delete node_;
    delete site_;
  }

  void SetUp() override {
    spec_ = node_->desired.spec;
    ASSERT_TRUE(node_->Look().sql.has_value());
  }

  void TearDown() override { node_->desired.spec = spec_; }

  Node& db1() { return *node_; }

 private:
  inline static Site* site_ = nullptr;
  inline static Node* node_ = nullptr;
  ClusterSpec spec_;
};

TEST_F(Configure, ParameterIsInForceWhenTheStepReturns) {
  db1().desired.spec.parameters["work_mem"] = "11MB";
  const absl::Status status = db1().Run(db1().ConfigureStep());
  ASSERT_TRUE(status.ok()) << FormatError(status);
  EXPECT_EQ(db1().Value("SHOW work_mem"), "11MB");
  EXPECT_EQ(db1().Look().sql->config_id, ConfigIdOf(db1().ConfigureStep().config));
}

TEST_F(Configure, ImpossibleParameterIsRefusedAndTheFormerFileStays) {
  const std::string before = Slurp(db1().DataDirectory() + "/pgmahout.conf");
  db1().desired.spec.parameters["max_connections"] = "0";
  const absl::Status status = db1().Run(db1().ConfigureStep());
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_TRUE(absl::StrContains(InfoOf(status).detail, "max_connections")) << FormatError(status);
  EXPECT_FALSE(InfoOf(status).hint.empty());
  EXPECT_EQ(Slurp(db1().DataDirectory() + "/pgmahout.conf"), before);
  EXPECT_EQ(db1().Look().sql->config_id, ConfigIdOf(before));
}

TEST_F(Configure, UnknownParameterIsRefused) {
  db1().desired.spec.parameters["work_memory"] = "1MB";
  const absl::Status status = db1().Run(db1().ConfigureStep());
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_TRUE(absl::StrContains(InfoOf(status).detail, "work_memory")) << FormatError(status);
}

TEST_F(Configure, BrokenHbaIsPutBackAndNamesItsLine) {
  const std::string before = Slurp(db1().DataDirectory() + "/pg_hba.conf");
  Step step = db1().ConfigureStep();
  step.hba = absl::StrCat(step.hba, "hostssl all all 10.0.0.0/99 scram-sha-256\n");
  const auto line = std::count(step.hba.begin(), step.hba.end(), '\n');
  const absl::Status status = db1().Run(step);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_TRUE(absl::StrContains(InfoOf(status).detail, absl::StrCat("line ", line)))
      << FormatError(status);
  EXPECT_EQ(Slurp(db1().DataDirectory() + "/pg_hba.conf"), before);
  EXPECT_EQ(db1().Value("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL"), "0");
}

TEST_F(Configure, AlterSystemOfOursIsResetAndOthersStay) {
  db1().Sql("ALTER SYSTEM SET wal_sender_timeout = '33s'");
  db1().Sql("ALTER SYSTEM SET statement_timeout = '77s'");
  EXPECT_EQ(db1().Look().data.auto_conf_overrides, std::vector<std::string>{"wal_sender_timeout"});

  const absl::Status status = db1().Run(db1().ConfigureStep());
  ASSERT_TRUE(status.ok()) << FormatError(status);
  EXPECT_TRUE(db1().Look().data.auto_conf_overrides.empty());
  EXPECT_EQ(db1().Value("SHOW wal_sender_timeout"), "10s");
  EXPECT_EQ(db1().Value("SHOW statement_timeout"), "77s");
}

TEST_F(Configure, OverridesOfAStoppedServerAreTakenOut) {
  ASSERT_TRUE(db1().Run(StepKind::kStopFast).ok());
  const std::string path = db1().DataDirectory() + "/postgresql.auto.conf";
  ASSERT_TRUE(
      WriteFileAtomically(path, "# kept\nprimary_conninfo = 'host=x'\nlog_timezone = 'GMT'\n", 0600)
          .ok());
  const absl::Status status = db1().Run(db1().ConfigureStep());
  ASSERT_TRUE(status.ok()) << FormatError(status);
  EXPECT_EQ(Slurp(path), "# kept\nlog_timezone = 'GMT'\n");
  ASSERT_TRUE(db1().Run(StepKind::kStart).ok());
  EXPECT_TRUE(db1().LookUntil([](const Observation& seen) { return seen.sql.has_value(); }).sql);
}

TEST_F(Configure, ReloadWithoutACheckIsFast) {
  Duration best{10'000};
  for (int i = 0; i < 5; ++i) {
    db1().desired.quorum = Quorum{1, {absl::StrCat("db", 2 + i)}};
    Step step = db1().ConfigureStep();
    step.check_config = false;
    const BootTime start = SystemClock().Now();
    ASSERT_TRUE(db1().Run(step).ok());
    best = std::min(best, SystemClock().Now() - start);
    EXPECT_EQ(db1().Value("SHOW synchronous_standby_names"),
              absl::StrCat("ANY 1 (\"db", 2 + i, "\")"));
  }
  db1().desired.quorum = Quorum{};
  ASSERT_TRUE(db1().Run(db1().ConfigureStep()).ok());
  std::printf("figure: configure without check: best of 5 %d ms\n", static_cast<int>(best.count()));
  EXPECT_LT(best.count(), 250);  // 60 on a quiet machine
}

TEST_F(Configure, RenewedCertificateIsServedAfterTheNextStep) {
  const std::string copy = db1().DataRoot() + "/tls/server.crt";
  ASSERT_TRUE(WriteFileAtomically(copy, "expired", 0644).ok());
  ASSERT_TRUE(db1().Look().data.certificate_differs);
  ASSERT_TRUE(db1().Run(db1().ConfigureStep()).ok());
  EXPECT_FALSE(db1().Look().data.certificate_differs);
  EXPECT_TRUE(absl::StrContains(Slurp(copy), "BEGIN CERTIFICATE"));
}

TEST_F(Configure, LookingIsCheap) {
  Duration best{10'000};
  for (int i = 0; i < 10; ++i) {
    const BootTime start = SystemClock().Now();
    ASSERT_TRUE(db1().Look().sql.has_value());
    best = std::min(best, SystemClock().Now() - start);
  }
  std::printf("figure: observe: best of 10 %d ms\n", static_cast<int>(best.count()));
  EXPECT_LT(best.count(), 100);  // 10 on a quiet machine
}

}  // namespace
}  // namespace pgmahout::agent
