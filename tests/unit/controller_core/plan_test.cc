// SPDX-License-Identifier: Apache-2.0
// --dry-run: the steps that would be done, and that telling them changes nothing.
#include "controller/core/plan.h"

#include <gtest/gtest.h>

#include "absl/strings/str_join.h"
#include "tests/unit/controller_core/drive.h"

namespace pgmahout::controller {
namespace {

std::string Steps(const Drive& drive, const Event& request) {
  return absl::StrJoin(StepsOf(drive.state(), request, drive.now()), "\n");
}

void ExpectStep(const Drive& drive, const Event& request, const std::string& step) {
  const std::string steps = Steps(drive, request);
  EXPECT_NE(steps.find(step), std::string::npos) << "missing: " << step << "\n" << steps;
}

TEST(Plan, OfASwitchoverNamesWhoStopsAndWhoFollows) {
  ClusterSpec spec = SpecOf(3);
  spec.failover.priority["db3"] = 200;
  const Drive drive = Drive::Healthy(spec);
  ExpectStep(drive, SwitchoverRequested{""}, "epoch 2: db1 gets no more leases");
  ExpectStep(drive, SwitchoverRequested{""}, "db3 is promoted once it has all WAL of that stop");
  ExpectStep(drive, SwitchoverRequested{"db2"}, "db2 is promoted");
  ExpectStep(drive, SwitchoverRequested{"db2"}, "orders-rw.db.example. leads to 10.0.0.2");
  ExpectStep(drive, SwitchoverRequested{"db1"}, "the best standby is promoted");
}

TEST(Plan, OfAFailoverSaysWhatIsAccepted) {
  ClusterSpec spec = SpecOf(3);
  spec.dns.primary.clear();
  spec.dns.standbys.clear();
  Drive drive = Drive::Healthy(spec);
  ExpectStep(drive, FailoverRequested{"", false}, "if the votes cover every acknowledged commit");
  ExpectStep(drive, FailoverRequested{"db2", true}, "db2 is promoted once db1's lease is over");
  EXPECT_EQ(Steps(drive, FailoverRequested{"", false}).find("leads to"), std::string::npos);
  Drive promoting = Drive::Healthy(spec);
  promoting.node("db2").promotes = false;
  promoting.Crash("db1");
  ASSERT_TRUE(promoting.PassUntil([&] { return promoting.durable().primary == "db2"; }));
  ExpectStep(promoting, FailoverRequested{"db3", true}, "epoch 3: db2 gets no more leases");
  drive.node("db2").votes = false;
  drive.node("db3").votes = false;
  drive.Crash("db1");
  ASSERT_TRUE(drive.PassUntil([&] { return drive.durable().stage == Stage::kFencing; }));
  EXPECT_EQ(Steps(drive, FailoverRequested{"", false}).find("epoch"), std::string::npos);
}

TEST(Plan, OfAPauseAndItsEnd) {
  Drive drive = Drive::Healthy();
  ExpectStep(drive, PauseRequested{true}, "no stopped PostgreSQL is started");
  EXPECT_EQ(Steps(drive, PauseRequested{false}), "it is not paused");
  drive.node("db2").copies = false;
  drive.Feed(ReinitRequested{"db2"});
  ExpectStep(drive, PauseRequested{true}, "the new copy of db2 is given up");
  drive = Drive::Healthy();
  drive.Feed(RestartRequested{"db2", true, false});
  ExpectStep(drive, PauseRequested{true}, "not restarted: db2");
  drive.Feed(PauseRequested{true});
  EXPECT_EQ(Steps(drive, PauseRequested{true}), "it is paused already");
  drive.Crash("db1");
  drive.Pass(Duration{2'000});
  ExpectStep(drive, PauseRequested{false}, "at once: primary-reports-down of db1");
}

TEST(Plan, OfAMaintenance) {
  Drive drive = Drive::Healthy(SpecOf(2));
  ExpectStep(drive, MaintenanceRequested{"db2", true}, "no commit waits for db2 any more");
  ExpectStep(drive, MaintenanceRequested{"db2", true},
             "nobody is left to take over if db1 is lost");
  ExpectStep(drive, MaintenanceRequested{"db1", true}, "db2 is promoted");
  EXPECT_EQ(Steps(drive, MaintenanceRequested{"db2", false}), "db2 is not in maintenance");
  drive.Feed(MaintenanceRequested{"db2", true});
  EXPECT_EQ(Steps(drive, MaintenanceRequested{"db2", true}), "db2 is in maintenance already");
  ExpectStep(drive, MaintenanceRequested{"db2", false}, "db2 is started if it is stopped");
  drive = Drive::Healthy();
  EXPECT_EQ(Steps(drive, MaintenanceRequested{"db2", true}).find("nobody"), std::string::npos);
  drive.node("db2").streams = false;
  drive.Pass(Duration{20'000});
  EXPECT_EQ(Steps(drive, MaintenanceRequested{"db2", true}).find("no commit waits"),
            std::string::npos);
}

TEST(Plan, OfAReinitNamesBothDirectories) {
  Drive drive = Drive::Healthy();
  ExpectStep(drive, ReinitRequested{"db2"}, "a base backup from db1 fills pgdata.2");
  ExpectStep(drive, ReinitRequested{"db2"}, "pgdata.1 is removed once pgdata.2 streams");
  ExpectStep(drive, ReinitRequested{"db2"}, "no commit waits for db2");
  EXPECT_EQ(Steps(drive, ReinitRequested{"db2"}).find("nobody is left"), std::string::npos);
  ExpectStep(Drive::Healthy(SpecOf(2)), ReinitRequested{"db2"},
             "nobody is left to take over if db1 is lost meanwhile");
  drive.node("db2").streams = false;
  drive.Pass(Duration{20'000});
  EXPECT_EQ(Steps(drive, ReinitRequested{"db2"}).find("no commit waits"), std::string::npos);
}

TEST(Plan, OfARestartFollowsItsOrder) {
  Drive drive = Drive::Healthy();
  drive.node("db3").report.pending_restart = {"max_connections", "shared_buffers"};
  drive.Pass(Duration{1'000});
  EXPECT_EQ(Steps(drive, RestartRequested{}),
            "db3 is restarted (max_connections, shared_buffers), until it streams again");
  ExpectStep(drive, RestartRequested{"", true, false}, "db1 starts as a standby (forced)");
  ExpectStep(drive, RestartRequested{"", true, true},
             "db1 is stopped cleanly and started again as the primary (forced)");
  const Drive single = Drive::Healthy(SpecOf(1));
  ExpectStep(single, RestartRequested{"", true, false}, "started again as the primary");
}

TEST(Plan, OfWhatIsNoRequestIsEmpty) {
  EXPECT_EQ(Steps(Drive::Healthy(), Tick{}), "");
}

}  // namespace
}  // namespace pgmahout::controller
