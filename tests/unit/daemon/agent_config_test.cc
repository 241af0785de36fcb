// SPDX-License-Identifier: Apache-2.0
// agent.yaml, and that what the package installs is a good start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/daemon/config.h"
#include "common/base/durable_file.h"
#include "tests/unit/net/temporary_directory.h"

namespace pgmahout::agent {
namespace {

using ::testing::HasSubstr;

constexpr char kNeeded[] =
    "node: db1\naddress: 192.0.2.11\ncontroller: 192.0.2.5:7432\nstateDir: /state\n";

class AgentYaml : public ::testing::Test {
 protected:
  absl::StatusOr<AgentConfig> Load(const std::string& text) {
    const std::string path = directory_.path() + "/agent.yaml";
    EXPECT_TRUE(WriteFileAtomically(path, text, 0600).ok());
    return LoadAgentConfig(path);
  }

  const pgmahout::testing::TemporaryDirectory directory_;
};

TEST_F(AgentYaml, UnderSystemdTheGuardLooksInRun) {
  const auto config =
      Load(absl::StrCat(kNeeded, "postgres: {control: systemd, dataRoot: /data}\n"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->guard_directory, "/run/pgmahout");
}

TEST_F(AgentYaml, AGuardThatTheAgentStartsLooksInItsStateDirectory) {
  const auto config = Load(absl::StrCat(kNeeded, "postgres: {dataRoot: /data}\n"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->control, "direct");
  EXPECT_EQ(config->guard_directory, "/state");
}

TEST_F(AgentYaml, RefusesARelativeGuardDirectory) {
  const auto config =
      Load(absl::StrCat(kNeeded, "postgres: {dataRoot: /data, guardDirectory: run}\n"));
  EXPECT_TRUE(absl::IsInvalidArgument(config.status()));
  EXPECT_THAT(std::string(config.status().message()),
              HasSubstr("\"run\" must be an absolute path"));
}

TEST_F(AgentYaml, WhatThePackageInstallsLacksOnlyWhoThisNodeIs) {
  const std::string shipped = ReadFile(PGMAHOUT_SOURCE_DIR "/packaging/conf/agent.yaml").value();
  const absl::Status untouched = Load(shipped).status();
  EXPECT_THAT(std::string(untouched.message()), HasSubstr("node"));
  // As a person would: the sharp sign in front of each key that is needed goes.
  const auto config = Load(absl::StrReplaceAll(
      shipped,
      {{"# node:", "node:"}, {"# address:", "address:"}, {"# controller:", "controller:"}}));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->control, "systemd");
  EXPECT_EQ(config->unit, "postgresql@14-main.service");
  EXPECT_EQ(config->state_dir, "/var/lib/pgmahout/agent");
}

}  // namespace
}  // namespace pgmahout::agent
