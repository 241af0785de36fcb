// SPDX-License-Identifier: Apache-2.0
// Only a valid order replaces an order.
#include "agent/guard/order_watch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "common/base/error.h"
#include "tests/unit/agent_postgres/child.h"

namespace pgmahout::guard {
namespace {

constexpr BootTime kNow = BootTime::FromMilliseconds(50'000);

class OrderWatching : public testing::Test {
 protected:
  void Put(const std::string& text) { directory.Write("order", text); }

  void PutArmed(Duration ahead, const std::string& boot = "boot") {
    Put(EncodeGuardOrder({true, "/data", "", kNow + ahead, 5}, boot));
  }

  agent::TemporaryDirectory directory;
  OrderWatch watch{directory.path() + "/order", "boot"};
};

TEST_F(OrderWatching, NoFileIsNoOrderAndNoComplaint) {
  EXPECT_TRUE(watch.Poll(kNow).ok());
  EXPECT_EQ(watch.order(), nullptr);
}

TEST_F(OrderWatching, AnOrderOfAnotherBootIsNoOrder) {
  PutArmed(Duration{1'000}, "yesterday");
  EXPECT_TRUE(watch.Poll(kNow).ok());
  EXPECT_EQ(watch.order(), nullptr);
}

TEST_F(OrderWatching, ARenewalReplacesTheDeadline) {
  PutArmed(Duration{1'000});
  ASSERT_TRUE(watch.Poll(kNow).ok());
  ASSERT_NE(watch.order(), nullptr);
  EXPECT_EQ(watch.order()->deadline, kNow + Duration{1'000});
  PutArmed(Duration{2'000});
  ASSERT_TRUE(watch.Poll(kNow).ok());
  EXPECT_EQ(watch.order()->deadline, kNow + Duration{2'000});
}

TEST_F(OrderWatching, ADamagedFileLeavesTheLastOrderInForceAndIsSaidOnce) {
  PutArmed(Duration{1'000});
  ASSERT_TRUE(watch.Poll(kNow).ok());
  Put("armed=0\ncheck=0000000000000000\n");
  const absl::Status problem = watch.Poll(kNow);
  EXPECT_TRUE(absl::IsDataLoss(problem)) << problem;
  EXPECT_TRUE(absl::StrContains(InfoOf(problem).detail, "its deadline still stands"));
  EXPECT_TRUE(watch.Poll(kNow).ok()) << "said already";
  ASSERT_NE(watch.order(), nullptr);
  EXPECT_TRUE(watch.order()->armed);
  EXPECT_EQ(watch.order()->deadline, kNow + Duration{1'000});
  PutArmed(Duration{3'000});
  EXPECT_TRUE(watch.Poll(kNow).ok());
  EXPECT_EQ(watch.order()->deadline, kNow + Duration{3'000});
}

TEST_F(OrderWatching, RemovingTheFileDoesNotDisarm) {
  PutArmed(Duration{1'000});
  ASSERT_TRUE(watch.Poll(kNow).ok());
  std::filesystem::remove(directory.path() + "/order");
  EXPECT_TRUE(absl::IsNotFound(watch.Poll(kNow)));
  EXPECT_TRUE(watch.Poll(kNow).ok()) << "said already";
  ASSERT_NE(watch.order(), nullptr);
  EXPECT_TRUE(watch.order()->armed);
  PutArmed(Duration{1'000});
  EXPECT_TRUE(watch.Poll(kNow).ok());
}

TEST_F(OrderWatching, AnOrderOfAnotherBootDoesNotReplaceOneOfThis) {
  PutArmed(Duration{1'000});
  ASSERT_TRUE(watch.Poll(kNow).ok());
  PutArmed(Duration{9'000}, "yesterday");
  EXPECT_FALSE(watch.Poll(kNow).ok());
  EXPECT_EQ(watch.order()->deadline, kNow + Duration{1'000});
}

TEST_F(OrderWatching, ADeadlineOfAnotherClockIsNone) {
  Put(EncodeGuardOrder({true, "/data", "", BootTime::FromMilliseconds(1'795'000'000'000), 5},
                       "boot"));
  EXPECT_FALSE(watch.Poll(kNow).ok());
  EXPECT_EQ(watch.order(), nullptr);
}

TEST_F(OrderWatching, ADisarmedOrderDisarms) {
  PutArmed(Duration{1'000});
  ASSERT_TRUE(watch.Poll(kNow).ok());
  Put(EncodeGuardOrder({}, "boot"));
  ASSERT_TRUE(watch.Poll(kNow).ok());
  EXPECT_FALSE(watch.order()->armed);
}

TEST_F(OrderWatching, WhatIsNoRegularFileIsNotWaitedFor) {
  PutArmed(Duration{1'000});
  ASSERT_TRUE(watch.Poll(kNow).ok());
  const std::string path = directory.path() + "/order";
  std::filesystem::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_FALSE(watch.Poll(kNow).ok());
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  EXPECT_TRUE(watch.Poll(kNow).ok()) << "the same problem";
  EXPECT_TRUE(watch.order()->armed);
}

}  // namespace
}  // namespace pgmahout::guard
