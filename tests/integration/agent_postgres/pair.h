// SPDX-License-Identifier: Apache-2.0
// Two nodes that share an archive: db1 is a primary, db2 will be its standby.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/integration/agent_postgres/node.h"

namespace pgmahout::agent {

class Pair : public testing::Test {
 protected:
  void SetUp() override;

  static void Follow(Node& node, const Node& upstream);
  Step BackupStep();
  void MakeStandby();

  std::string BackupJob() const { return db2.DataRoot() + "-state/base-backup.job"; }

  // The agent ends as soon as its base backup runs.
  void LeaveABackup();
  // Likewise, and the backup ends meanwhile. What it made is marked.
  void LeaveABackupThatEnds();

  static void StartStandby(Node& node);
  static void ExpectArrival(Node& from, Node& to, const std::string& text);

  // db1 stops cleanly; timelines 2 and 3 may have been begun by candidates that were lost.
  void SwitchOverToTimelineFour();
  void FollowOnTimelineFour();

  Site site;
  Node db1{site, "db1", "127.0.77.1"};
  Node db2{site, "db2", "127.0.77.2"};
};

}  // namespace pgmahout::agent
