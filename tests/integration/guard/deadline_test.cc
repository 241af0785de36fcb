// SPDX-License-Identifier: Apache-2.0
// The guard kills when the deadline was not renewed, then only, and for as long as it stays so.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/postgres/session.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/integration/guard/rig.h"

namespace pgmahout::guard {
namespace {

constexpr Duration kSlack{100};  // from the deadline to no process left

class Deadline : public GuardedServer {};

TEST_F(Deadline, NobodyRenewsAndAllProcessesAreGoneAtOnce) {
  const GuardProcess guard(files_.path());
  std::thread session([] {
    const BootTime end = SystemClock().Now() + Duration{20'000};
    auto opened =
        agent::Session::Open(db().DataRoot() + "/run", db().AsMember().port, "postgres", end);
    ASSERT_TRUE(opened.ok());
    EXPECT_FALSE(opened->Query("SELECT pg_sleep(60)", end).ok());
  });
  EXPECT_TRUE(agent::Eventually([] { return db().ProcessNamed("SELECT") != 0; }));
  const size_t processes = db().Processes().size();
  const BootTime deadline = SystemClock().Now() + Duration{1'000};
  Order(true, deadline);
  WaitUntil(deadline - Duration{50});
  EXPECT_TRUE(Runs()) << "killed before its deadline";
  const BootTime gone = WaitUntilGone();
  session.join();
  const GuardReport report = ReportWhenClear();
  std::printf(
      "figure: after the deadline: first signal %d ms, none left %d ms (seen from outside %d ms), "
      "%d processes killed; guard's RSS %d kB\n",
      int(report.Late().count()), int((*report.clear_at - deadline).count()),
      int((gone - deadline).count()), int(report.killed), int(guard.RssKilobytes()));
  EXPECT_LE(gone - deadline, kSlack);
  EXPECT_GE(report.struck_at, deadline);
  EXPECT_EQ(report.deadline, deadline);
  EXPECT_EQ(report.epoch, 1U);
  EXPECT_EQ(report.left, 0U);
  EXPECT_EQ(report.boot_id, BootId());
  EXPECT_GE(report.killed + 1, processes) << "autovacuum workers come and go";
  EXPECT_LT(guard.RssKilobytes(), 16 << 10);
}

TEST_F(Deadline, RenewedIsNotKilled) {
  const GuardProcess guard(files_.path());
  const pid_t postmaster = db().Postmaster();
  const BootTime start = SystemClock().Now();
  const Feeder feeder(OrderFile(), Data(), Duration{500});
  WaitUntil(start + Duration{2'000});
  EXPECT_EQ(db().Postmaster(), postmaster);
  EXPECT_EQ(db().Value("SELECT 1"), "1");
  EXPECT_TRUE(absl::IsNotFound(ReadGuardReport(ReportFile()).status()));
}

TEST_F(Deadline, FrozenAgentIsNoExcuse) {
  const GuardProcess guard(files_.path());
  const Feeder feeder(OrderFile(), Data(), Duration{700});
  const BootTime frozen = SystemClock().Now();
  feeder.Freeze();
  const BootTime gone = WaitUntilGone();
  std::printf("figure: frozen agent: no process %d ms after the freeze, of a deadline of 700 ms\n",
              int((gone - frozen).count()));
  EXPECT_LE(gone - frozen, Duration{700} + kSlack);
}

TEST_F(Deadline, AgentThatIsBackInTimeKeepsTheServer) {
  const GuardProcess guard(files_.path());
  const pid_t postmaster = db().Postmaster();
  Feeder first(OrderFile(), Data(), Duration{1'500});
  first.KillHard();
  const BootTime old_deadline = ReadGuardOrder(OrderFile(), BootId())->deadline;
  const Feeder second(OrderFile(), Data(), Duration{1'500});
  WaitUntil(old_deadline + Duration{500});
  EXPECT_EQ(db().Postmaster(), postmaster);
  EXPECT_EQ(db().Value("SELECT 1"), "1");
}

TEST_F(Deadline, DeadAgentIsNoExcuse) {
  const GuardProcess guard(files_.path());
  Feeder feeder(OrderFile(), Data(), Duration{700});
  feeder.KillHard();
  const BootTime deadline = ReadGuardOrder(OrderFile(), BootId())->deadline;
  EXPECT_LE(WaitUntilGone() - deadline, kSlack);
}

TEST_F(Deadline, DisarmedNeverKills) {
  const GuardProcess guard(files_.path());
  const pid_t postmaster = db().Postmaster();
  ArmFor(Duration{600});
  const BootTime deadline = ReadGuardOrder(OrderFile(), BootId())->deadline;
  Disarm();
  WaitUntil(deadline + Duration{500});
  EXPECT_EQ(db().Postmaster(), postmaster);
}

TEST_F(Deadline, FrozenServerIsKilledAndNeverWakesUp) {
  const GuardProcess guard(files_.path());
  for (const pid_t pid : db().Processes()) {
    kill(pid, SIGSTOP);
  }
  ArmFor(Duration{500});
  const BootTime deadline = ReadGuardOrder(OrderFile(), BootId())->deadline;
  EXPECT_LE(WaitUntilGone() - deadline, kSlack);
}

TEST_F(Deadline, WhatIsStartedAgainDiesUntilTheOrderChanges) {
  const GuardProcess guard(files_.path());
  ArmFor(Duration{300});
  WaitUntilGone();
  const GuardReport first = ReportWhenClear();
  EXPECT_FALSE(db().Run(agent::StepKind::kStart).ok());
  WaitUntilGone();
  const GuardReport second =
      ReportWhen([&](const GuardReport& report) { return report.killed > first.killed; });
  EXPECT_EQ(second.struck_at, first.struck_at) << "one fence, one report";
  Disarm();
  const absl::Status started = db().Run(agent::StepKind::kStart);
  EXPECT_TRUE(started.ok()) << FormatError(started);
  EXPECT_EQ(db().Value("SELECT 1"), "1");
}

TEST_F(Deadline, DamagedOrRemovedFileDoesNotStopTheDeadline) {
  const GuardProcess guard(files_.path());
  ArmFor(Duration{900});
  const BootTime deadline = ReadGuardOrder(OrderFile(), BootId())->deadline;
  EXPECT_TRUE(agent::Eventually([&] { return absl::StrContains(guard.Log(), "guard is armed"); }));
  ASSERT_TRUE(WriteFileAtomically(OrderFile(), "armed=0\n", 0600).ok());
  EXPECT_TRUE(agent::Eventually([&] { return absl::StrContains(guard.Log(), "check sum"); }));
  ASSERT_EQ(std::remove(OrderFile().c_str()), 0);
  EXPECT_TRUE(Runs());
  EXPECT_LE(WaitUntilGone() - deadline, kSlack);
}

TEST_F(Deadline, GuardThatIsStartedTooLateKillsAtOnce) {
  ArmFor(Duration{100});
  const BootTime deadline = ReadGuardOrder(OrderFile(), BootId())->deadline;
  WaitUntil(deadline + Duration{300});
  EXPECT_TRUE(Runs());
  const GuardProcess guard(files_.path());
  WaitUntilGone();
  EXPECT_GE(ReportWhenClear().Late(), Duration{300});
}

TEST_F(Deadline, AnOrderOfAnotherBootKillsNobody) {
  const std::string stale =
      EncodeGuardOrder({true, Data(), "", BootTime::FromMilliseconds(1), 1}, "another-boot");
  ASSERT_TRUE(WriteFileAtomically(OrderFile(), stale, 0600).ok());
  const GuardProcess guard(files_.path());
  WaitUntil(SystemClock().Now() + kGuardPoll + kGuardPoll);
  EXPECT_TRUE(Runs());
  EXPECT_TRUE(absl::IsNotFound(ReadGuardReport(ReportFile()).status()));
}

TEST_F(Deadline, WaitingAndWatchingCostLittle) {
  const GuardProcess guard(files_.path());
  const int64_t start = guard.CpuTicks();
  const Feeder feeder(OrderFile(), Data(), Duration{60'000});
  WaitUntil(SystemClock().Now() + Duration{2'000});
  const int64_t armed = guard.CpuTicks();
  feeder.Freeze();
  ArmFor(Duration{1});
  WaitUntilGone();
  const int64_t fenced = guard.CpuTicks();
  WaitUntil(SystemClock().Now() + Duration{2'000});
  const int64_t watched = guard.CpuTicks();
  const double percent = 100.0 / (2.0 * static_cast<double>(sysconf(_SC_CLK_TCK)));
  std::printf("figure: guard's CPU: armed %.1f %%, watching after the deadline %.1f %% of a core\n",
              static_cast<double>(armed - start) * percent,
              static_cast<double>(watched - fenced) * percent);
  EXPECT_LE(armed - start, 4);
  EXPECT_LE(watched - fenced, 40);
}

}  // namespace
}  // namespace pgmahout::guard
