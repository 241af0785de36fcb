// SPDX-License-Identifier: Apache-2.0
// controller.yaml: where keys are looked for, and that what the package installs is a good start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "controller/daemon/config.h"
#include "tests/unit/net/temporary_directory.h"

namespace pgmahout::controller {
namespace {

using ::testing::HasSubstr;

class ControllerYaml : public ::testing::Test {
 protected:
  absl::StatusOr<ControllerConfig> Load(const std::string& key_file,
                                        const std::string& credentials_directory) {
    const std::string path = directory_.path() + "/controller.yaml";
    const std::string text =
        absl::StrCat("stateDir: /state\nlisten: 192.0.2.5:7432\ndns:\n  - zone: db.example\n",
                     "    servers: [\"192.0.2.53:53\"]\n    tsigKeyFile: ", key_file, "\n");
    EXPECT_TRUE(WriteFileAtomically(path, text, 0600).ok());
    return LoadControllerConfig(path, credentials_directory);
  }

  const pgmahout::testing::TemporaryDirectory directory_;
};

TEST_F(ControllerYaml, AKeyWithoutADirectoryIsACredential) {
  const auto config = Load("db.key", "/run/credentials/x");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->zones.at(0).tsig_key_file, "/run/credentials/x/tsig_db.key");
}

TEST_F(ControllerYaml, AKeyWithADirectoryIsThatFile) {
  const auto config = Load("/etc/key", "/run/credentials/x");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->zones.at(0).tsig_key_file, "/etc/key");
}

TEST_F(ControllerYaml, ACredentialNeedsSystemd) {
  const absl::Status status = Load("db.key", "").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"db.key\" is no path"));
  EXPECT_THAT(InfoOf(status).hint, HasSubstr("whole path"));
}

TEST_F(ControllerYaml, WhatThePackageInstallsIsComplete) {
  const auto config =
      LoadControllerConfig(PGMAHOUT_SOURCE_DIR "/packaging/conf/controller.yaml", "");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->state_dir, "/var/lib/pgmahout/controller");
}

}  // namespace
}  // namespace pgmahout::controller
