// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/guard_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/unit/agent_postgres/child.h"

namespace pgmahout::guard {
namespace {

TEST(GuardLock, TellsWhetherAGuardRuns) {
  const agent::TemporaryDirectory directory;
  const std::string order = directory.path() + "/order";
  EXPECT_FALSE(GuardIsAlive(order));
  {
    const auto lock = GuardLock::Take(order);
    ASSERT_TRUE(lock.ok()) << FormatError(lock.status());
    EXPECT_TRUE(GuardIsAlive(order));
    EXPECT_EQ(ReadFile(order + ".lock").value(), absl::StrCat(getpid(), "\n"));
  }
  EXPECT_FALSE(GuardIsAlive(order));
}

TEST(GuardLock, IsHeldByOneOnly) {
  const agent::TemporaryDirectory directory;
  const std::string order = directory.path() + "/order";
  const auto first = GuardLock::Take(order);
  ASSERT_TRUE(first.ok());
  const auto second = GuardLock::Take(order);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_FALSE(InfoOf(second.status()).hint.empty());
  EXPECT_TRUE(GuardLock::Take(directory.path() + "/other").ok());
}

TEST(GuardLock, AskingDoesNotTakeIt) {
  const agent::TemporaryDirectory directory;
  const std::string order = directory.path() + "/order";
  { ASSERT_TRUE(GuardLock::Take(order).ok()); }
  EXPECT_FALSE(GuardIsAlive(order));
  EXPECT_FALSE(GuardIsAlive(order));
  EXPECT_TRUE(GuardLock::Take(order).ok());
}

TEST(GuardLock, NeedsADirectory) {
  EXPECT_TRUE(absl::IsNotFound(GuardLock::Take("/nonexistent/order").status()));
  EXPECT_FALSE(GuardIsAlive("/nonexistent/order"));
}

}  // namespace
}  // namespace pgmahout::guard
