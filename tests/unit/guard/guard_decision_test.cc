// SPDX-License-Identifier: Apache-2.0
// The decision table of the guard. Time is a parameter.
#include "agent/guard/guard_decision.h"

#include <gtest/gtest.h>

namespace pgmahout::guard {
namespace {

constexpr BootTime kDeadline = BootTime::FromMilliseconds(100'000);

GuardOrder Armed() {
  return GuardOrder{true, "/data", "", kDeadline, 7};
}

GuardDecision DecideAt(Duration after_deadline,
                       const GuardOrder& order = Armed(),
                       std::optional<uint64_t> seen = std::nullopt) {
  return Decide({&order, kDeadline + after_deadline, seen, std::nullopt});
}

TEST(GuardDecision, IdlesWithoutAnOrder) {
  const GuardDecision decision = Decide({nullptr, kDeadline, std::nullopt, std::nullopt});
  EXPECT_EQ(decision.action, GuardAction::kIdle);
  EXPECT_EQ(decision.wake, kDeadline + kGuardPoll);
  EXPECT_TRUE(decision.may_pet_watchdog);
}

TEST(GuardDecision, NeverKillsWhileDisarmed) {
  GuardOrder order = Armed();
  order.armed = false;
  const GuardDecision decision = DecideAt(Duration{3'600'000}, order, 3);
  EXPECT_EQ(decision.action, GuardAction::kIdle);
  EXPECT_EQ(decision.rule, "idle-unarmed");
  EXPECT_TRUE(decision.may_pet_watchdog);
}

TEST(GuardDecision, SleepsAMillisecondBeforeTheDeadlineAndKillsAtIt) {
  const GuardDecision before = DecideAt(Duration{-1});
  EXPECT_EQ(before.action, GuardAction::kSleep);
  EXPECT_EQ(before.wake, kDeadline);
  EXPECT_TRUE(before.may_pet_watchdog);
  EXPECT_EQ(DecideAt(Duration{0}).action, GuardAction::kKill);
  EXPECT_EQ(DecideAt(Duration{1}).action, GuardAction::kKill);
}

TEST(GuardDecision, LooksForANewOrderWhileTheDeadlineIsFar) {
  const GuardDecision decision = DecideAt(Duration{-10'000});
  EXPECT_EQ(decision.action, GuardAction::kSleep);
  EXPECT_EQ(decision.wake, kDeadline - Duration{10'000} + kGuardPoll);
}

TEST(GuardDecision, LooksAgainAtOnceWhileProcessesDie) {
  const GuardDecision first = DecideAt(Duration{0});
  EXPECT_LE(first.wake, kDeadline + Duration{5});
  const GuardDecision dying = DecideAt(Duration{100}, Armed(), 2);
  EXPECT_EQ(dying.action, GuardAction::kKill);
  EXPECT_LE(dying.wake, kDeadline + Duration{105});
}

TEST(GuardDecision, KeepsKillingAnHourAfterTheDeadlineButSlower) {
  for (const uint64_t seen : {0U, 4U}) {
    const GuardDecision decision = DecideAt(Duration{3'600'000}, Armed(), seen);
    EXPECT_EQ(decision.action, GuardAction::kKill);
    EXPECT_EQ(decision.wake, kDeadline + Duration{3'600'050});
  }
}

TEST(GuardDecision, StarvesTheWatchdogOnlyWhileAServerMayRunBeyondItsDeadline) {
  EXPECT_FALSE(DecideAt(Duration{0}).may_pet_watchdog) << "nobody has looked yet";
  EXPECT_FALSE(DecideAt(Duration{5}, Armed(), 1).may_pet_watchdog);
  EXPECT_TRUE(DecideAt(Duration{10}, Armed(), 0).may_pet_watchdog);
}

struct StopCase {
  bool has_order;
  bool armed;
  Duration after_deadline;
  Duration since_stop;
  GuardAction action;
};

TEST(GuardDecision, AStopOpensNoHole) {
  constexpr StopCase kCases[] = {
      {false, false, Duration{-10'000}, Duration{0}, GuardAction::kLeave},
      {true, false, Duration{-10'000}, Duration{0}, GuardAction::kLeave},
      {true, true, Duration{-10'000}, Duration{0}, GuardAction::kSleep},
      {true, true, Duration{-10'000}, Duration{4'999}, GuardAction::kSleep},
      {true, true, Duration{-10'000}, Duration{5'000}, GuardAction::kLeave},
      {true, true, Duration{0}, Duration{4'999}, GuardAction::kKill},
      {true, true, Duration{0}, Duration{5'000}, GuardAction::kLeave},
  };
  for (const StopCase& c : kCases) {
    GuardOrder order = Armed();
    order.armed = c.armed;
    const BootTime now = kDeadline + c.after_deadline;
    const GuardDecision decision =
        Decide({c.has_order ? &order : nullptr, now, std::nullopt, now - c.since_stop});
    EXPECT_EQ(decision.action, c.action)
        << "armed " << c.armed << ", " << c.after_deadline.count() << " ms after the deadline, "
        << c.since_stop.count() << " ms after SIGTERM: " << std::string(decision.rule);
  }
}

}  // namespace
}  // namespace pgmahout::guard
