// SPDX-License-Identifier: Apache-2.0
// What is reported of a fence, and when.
#include "agent/guard/fence_record.h"

#include <gtest/gtest.h>

namespace pgmahout::guard {
namespace {

constexpr BootTime kDeadline = BootTime::FromMilliseconds(100'000);

GuardOrder Order() {
  return GuardOrder{true, "/data", "", kDeadline, 7};
}

FenceRecord Record(Duration late = Duration{2}) {
  return FenceRecord(Order(), "boot", kDeadline + late, 1'795'000'000'000);
}

TEST(FenceRecord, ReportsOnceWhenTheServerIsGone) {
  FenceRecord record = Record();
  record.OnRound({8, 8, true}, kDeadline + Duration{2});
  EXPECT_FALSE(record.TakeReport().has_value()) << "they are still dying";
  record.OnRound({3, 0, false}, kDeadline + Duration{7});
  record.OnRound({0, 0, false}, kDeadline + Duration{12});
  const auto report = record.TakeReport();
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->epoch, 7U);
  EXPECT_EQ(report->Late(), Duration{2});
  EXPECT_EQ(report->clear_at, kDeadline + Duration{12});
  EXPECT_EQ(report->killed, 8U);
  EXPECT_EQ(report->left, 0U);
  EXPECT_TRUE(report->used_cgroup);
  record.OnRound({0, 0, false}, kDeadline + Duration{60'000});
  EXPECT_FALSE(record.TakeReport().has_value()) << "nothing new";
}

TEST(FenceRecord, CountsWhatShowsUpLater) {
  FenceRecord record = Record();
  record.OnRound({1, 1, false}, kDeadline + Duration{2});
  record.OnRound({0, 0, false}, kDeadline + Duration{7});
  ASSERT_TRUE(record.TakeReport().has_value());
  record.OnRound({2, 2, false}, kDeadline + Duration{9'000});
  EXPECT_FALSE(record.TakeReport().has_value()) << "it may die at once";
  record.OnRound({0, 0, false}, kDeadline + Duration{9'005});
  const auto report = record.TakeReport();
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->killed, 3U);
  EXPECT_EQ(report->clear_at, kDeadline + Duration{7}) << "when it was first clear";
}

TEST(FenceRecord, SaysAfterASecondThatProcessesDoNotDie) {
  FenceRecord record = Record();
  record.OnRound({2, 2, false}, kDeadline + Duration{2});
  record.OnRound({1, 0, false}, kDeadline + Duration{900});
  EXPECT_FALSE(record.TakeReport().has_value());
  record.OnRound({1, 0, false}, kDeadline + Duration{1'002});
  const auto report = record.TakeReport();
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->left, 1U);
  EXPECT_FALSE(report->clear_at.has_value());
}

TEST(FenceRecord, SaysWhyNothingCanBeKilled) {
  FenceRecord record = Record();
  record.OnRefusal(absl::FailedPreconditionError("no PG_VERSION in it"));
  const auto report = record.TakeReport();
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->problem, "no PG_VERSION in it");
  EXPECT_EQ(report->killed, 0U);
  record.OnRefusal(absl::FailedPreconditionError("no PG_VERSION in it"));
  EXPECT_FALSE(record.TakeReport().has_value());
  record.OnRound({0, 0, false}, kDeadline + Duration{500});
  EXPECT_EQ(record.TakeReport()->problem, "");
}

TEST(FenceRecord, OfARestartedGuardDoesNotReplaceTheEvidence) {
  FenceRecord first = Record();
  first.OnRound({8, 8, false}, kDeadline + Duration{2});
  first.OnRound({0, 0, false}, kDeadline + Duration{7});
  const GuardReport earlier = *first.TakeReport();

  FenceRecord second = Record(Duration{3'600'000});
  second.Continue(earlier);
  second.OnRound({0, 0, false}, kDeadline + Duration{3'600'000});
  EXPECT_FALSE(second.TakeReport().has_value());
  second.OnRound({1, 1, false}, kDeadline + Duration{3'600'050});
  second.OnRound({0, 0, false}, kDeadline + Duration{3'600'055});
  const auto report = second.TakeReport();
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->killed, 9U);
  EXPECT_EQ(report->Late(), Duration{2});
}

TEST(FenceRecord, DoesNotContinueAnotherFence) {
  FenceRecord first(Order(), "yesterday", kDeadline, 0);
  first.OnRound({0, 0, false}, kDeadline);
  FenceRecord second = Record();
  second.Continue(*first.TakeReport());
  second.OnRound({0, 0, false}, kDeadline + Duration{2});
  const auto report = second.TakeReport();
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->boot_id, "boot");
}

TEST(FenceRecord, IsForOneDeadline) {
  GuardOrder later = Order();
  later.deadline = kDeadline + Duration{1};
  EXPECT_TRUE(Record().IsFor(Order()));
  EXPECT_FALSE(Record().IsFor(later));
}

}  // namespace
}  // namespace pgmahout::guard
