// SPDX-License-Identifier: Apache-2.0
// Which of the controller's messages count, and how the lease is counted.
#include "agent/core/orders.h"

#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

Received OrderOf(uint64_t epoch, BootTime sent_at, Duration lease = Duration{10'000}) {
  Received received;
  received.order.epoch = epoch;
  received.order.controller_incarnation = 3;
  received.order.lease = lease;
  received.order.generation = 7;
  received.sent_at = sent_at;
  received.desired.emplace();
  received.desired->epoch = epoch;
  received.desired->quorum = Quorum{1, {"db2", "db3"}};
  return received;
}

Memory Obeyed(uint64_t epoch) {
  Memory memory;
  memory.epoch = epoch;
  return memory;
}

TEST(Orders, LeaseCountsFromBeforeTheHeartbeatWasSent) {
  Orders orders;
  ASSERT_TRUE(Obey(OrderOf(5, At(1'000)), Obeyed(5), &orders));
  ASSERT_TRUE(orders.lease.has_value());
  EXPECT_EQ(orders.lease->deadline, At(11'000));
  EXPECT_EQ(orders.lease->epoch, 5U);
  EXPECT_EQ(orders.lease->length, Duration{10'000});
  EXPECT_EQ(orders.lease->quorum, (Quorum{1, {"db2", "db3"}}));
  EXPECT_EQ(orders.generation, 7U);
}

TEST(Orders, OfALowerEpochChangeNothing) {
  Orders orders;
  EXPECT_FALSE(Obey(OrderOf(4, At(1'000)), Obeyed(5), &orders));
  EXPECT_FALSE(orders.desired.has_value());
  EXPECT_FALSE(orders.lease.has_value());
}

TEST(Orders, OfTwoEpochsAtOnceChangeNothing) {
  Orders orders;
  ASSERT_TRUE(Obey(OrderOf(5, At(1'000)), Obeyed(5), &orders));
  Received torn = OrderOf(6, At(2'000));
  torn.desired->epoch = 5;
  EXPECT_FALSE(Obey(torn, Obeyed(5), &orders));
  EXPECT_EQ(orders.lease->epoch, 5U);
  EXPECT_EQ(orders.lease->deadline, At(11'000));
}

TEST(Orders, OfALaterControllerEndThoseOfTheEarlier) {
  Orders orders;
  ASSERT_TRUE(Obey(OrderOf(5, At(1'000)), Obeyed(5), &orders));
  Received later = OrderOf(5, At(2'000));
  later.order.controller_incarnation = 4;
  ASSERT_TRUE(Obey(later, Obeyed(5), &orders));
  EXPECT_EQ(orders.incarnation, 4U);
  EXPECT_FALSE(Obey(OrderOf(5, At(3'000)), Obeyed(5), &orders)) << "incarnation 3 is over";
  EXPECT_EQ(orders.lease->deadline, At(12'000));
}

// Two controllers on copies of one store may count their starts alike.
TEST(Orders, OfAnotherControllerOfTheSameNumberChangeNothing) {
  Orders orders;
  Received first = OrderOf(5, At(1'000));
  first.order.controller_opening = 77;
  ASSERT_TRUE(Obey(first, Obeyed(5), &orders));
  first.sent_at = At(1'500);
  EXPECT_TRUE(Obey(first, Obeyed(5), &orders)) << "the same one";
  Received other = OrderOf(6, At(2'000));
  other.order.controller_opening = 78;
  EXPECT_FALSE(Obey(other, Obeyed(5), &orders));
  EXPECT_EQ(orders.desired->epoch, 5U);
  EXPECT_EQ(orders.opening, 77U);
  other.order.controller_incarnation = 4;
  EXPECT_TRUE(Obey(other, Obeyed(5), &orders)) << "it was started later";
  EXPECT_EQ(orders.opening, 78U);
}

TEST(Orders, OfAnEarlierControllerChangeNothing) {
  Orders orders;
  ASSERT_TRUE(Obey(OrderOf(5, At(1'000)), Obeyed(5), &orders));
  Received stale = OrderOf(6, At(2'000));
  stale.order.controller_incarnation = 2;
  EXPECT_FALSE(Obey(stale, Obeyed(5), &orders));
  EXPECT_EQ(orders.desired->epoch, 5U);
  EXPECT_EQ(orders.lease->deadline, At(11'000));
}

TEST(Orders, AnswerThatWasOvertakenShortensNoLease) {
  Orders orders;
  ASSERT_TRUE(Obey(OrderOf(5, At(2'000)), Obeyed(5), &orders));
  ASSERT_TRUE(Obey(OrderOf(5, At(1'000)), Obeyed(5), &orders));
  EXPECT_EQ(orders.lease->deadline, At(12'000));
}

TEST(Orders, LeaseOfANewEpochReplacesTheOldOne) {
  Orders orders;
  ASSERT_TRUE(Obey(OrderOf(5, At(2'000)), Obeyed(5), &orders));
  ASSERT_TRUE(Obey(OrderOf(6, At(1'000)), Obeyed(5), &orders));
  EXPECT_EQ(orders.lease->epoch, 6U);
  EXPECT_EQ(orders.lease->deadline, At(11'000));
}

TEST(Orders, WithoutALeaseKeepTheOneThatRuns) {
  Orders orders;
  ASSERT_TRUE(Obey(OrderOf(5, At(2'000)), Obeyed(5), &orders));
  ASSERT_TRUE(Obey(OrderOf(5, At(9'000), Duration{0}), Obeyed(5), &orders));
  EXPECT_EQ(orders.lease->deadline, At(12'000));
}

TEST(Orders, LeaseFollowsTheQuorumThatWasOrderedLast) {
  Orders orders;
  ASSERT_TRUE(Obey(OrderOf(5, At(2'000)), Obeyed(5), &orders));
  Received changed = OrderOf(5, At(3'000));
  changed.desired->quorum = Quorum{1, {"db3"}};
  ASSERT_TRUE(Obey(changed, Obeyed(5), &orders));
  EXPECT_EQ(orders.lease->quorum, (Quorum{1, {"db3"}}));
}

TEST(Orders, WithoutADesiredStateThereIsNoLease) {
  Orders orders;
  Received bare = OrderOf(5, At(2'000));
  bare.desired.reset();
  ASSERT_TRUE(Obey(bare, Obeyed(5), &orders));
  EXPECT_FALSE(orders.lease.has_value());
}

}  // namespace
}  // namespace pgmahout::agent
