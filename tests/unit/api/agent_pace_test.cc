// SPDX-License-Identifier: Apache-2.0
// Who talks too fast is cut off; who is only in a hurry is not.
#include "controller/api/agent_pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgmahout::controller {
namespace {

using ::testing::HasSubstr;

constexpr BootTime At(int64_t milliseconds) {
  return BootTime::FromMilliseconds(milliseconds);
}

TEST(Allowance, IsABurstAndThenARate) {
  Allowance allowance(2, 3);
  EXPECT_TRUE(allowance.Use(At(0)));
  EXPECT_TRUE(allowance.Use(At(0)));
  EXPECT_TRUE(allowance.Use(At(0)));
  EXPECT_FALSE(allowance.Use(At(0)));
  EXPECT_FALSE(allowance.Use(At(499)));
  EXPECT_TRUE(allowance.Use(At(500)));
  EXPECT_FALSE(allowance.Use(At(999)));
  EXPECT_TRUE(allowance.Use(At(1'000)));
}

TEST(Allowance, DoesNotPileUpBeyondTheBurst) {
  Allowance allowance(1'000, 2);
  EXPECT_TRUE(allowance.Use(At(0)));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(allowance.Use(At(int64_t{1} << 50))) << i;
  }
  EXPECT_FALSE(allowance.Use(At(int64_t{1} << 50)));
  EXPECT_FALSE(allowance.Use(At(5))) << "a clock that goes back brings nothing";
}

TEST(AgentPace, AgentInAHurryIsLetThrough) {
  AgentPace pace;
  for (int64_t now = 0; now < 60'000; now += 30) {
    ASSERT_TRUE(pace.Message("db1", At(now)).ok()) << now;
  }
}

TEST(AgentPace, FloodIsCutOffAndStaysOutForAWhile) {
  AgentPace pace;
  int taken = 0;
  while (pace.Message("db1", At(0)).ok()) {
    ASSERT_LT(++taken, 1'000);
  }
  EXPECT_EQ(taken, AgentPace::kMessagesAtOnce);
  EXPECT_THAT(std::string(pace.Message("db1", At(0)).message()),
              HasSubstr("node \"db1\" sends more than 50 heartbeats a second"));
  EXPECT_TRUE(absl::IsResourceExhausted(pace.Stream("db1", At(4'999))));
  EXPECT_TRUE(pace.Stream("db1", At(5'000)).ok());
  EXPECT_TRUE(pace.Message("db2", At(0)).ok()) << "others go on";
  EXPECT_TRUE(pace.Stream("db2", At(0)).ok());
}

TEST(AgentPace, DiallingAllTheTimeIsRefusedToo) {
  AgentPace pace;
  int streams = 0;
  while (pace.Stream("db1", At(0)).ok()) {
    ASSERT_LT(++streams, 1'000);
  }
  EXPECT_EQ(streams, AgentPace::kStreamsAtOnce);
  EXPECT_TRUE(pace.Stream("db1", At(1'000)).ok());
}

}  // namespace
}  // namespace pgmahout::controller
