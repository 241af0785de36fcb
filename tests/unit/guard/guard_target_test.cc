// SPDX-License-Identifier: Apache-2.0
// What may be killed: the processes of a proven data directory and nothing else.
#include "agent/guard/guard_target.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "agent/guard/server_killer.h"
#include "common/base/error.h"
#include "tests/unit/agent_postgres/child.h"

namespace pgmahout::guard {
namespace {

namespace fs = std::filesystem;

GuardOrder ArmedFor(const std::string& directory) {
  return GuardOrder{true, directory, "", BootTime::FromMilliseconds(1'000), 1};
}

TEST(ProveDataDirectory, RefusesWhatIsNone) {
  const agent::TemporaryDirectory empty;
  const agent::TemporaryDirectory with_folder;
  fs::create_directory(with_folder.path() + "/PG_VERSION");
  const std::string relative = fs::relative(empty.path()).string();
  for (const std::string& path :
       {std::string(), std::string("/"), std::string("/usr/.."), std::string("/nonexistent"),
        relative, empty.path(), with_folder.path()}) {
    const auto proven = ProveDataDirectory(path);
    EXPECT_FALSE(proven.ok()) << path;
    EXPECT_FALSE(InfoOf(proven.status()).hint.empty()) << path;
  }
}

TEST(ProveDataDirectory, RefusesTheRootWhateverLiesInIt) {
  for (const char* path : {"/", "//", "/usr/.."}) {
    EXPECT_EQ(ProveDataDirectory(path).status().message(),
              absl::StrCat("cannot guard \"", path, "\": it is the root directory"));
  }
}

TEST(ProveDataDirectory, TellsTheRealPath) {
  const agent::TemporaryDirectory data;
  const agent::TemporaryDirectory elsewhere;
  data.Write("PG_VERSION", "15\n");
  fs::create_directory_symlink(data.path(), elsewhere.path() + "/link");
  EXPECT_EQ(ProveDataDirectory(elsewhere.path() + "/link/").value(), data.path());
}

TEST(GuardTarget, IsProvenWhenArmedAndSoNeedsNoDiskAtTheDeadline) {
  const agent::TemporaryDirectory data;
  data.Write("PG_VERSION", "15\n");
  const GuardOrder order = ArmedFor(data.path());
  GuardTarget target;
  ASSERT_TRUE(target.Follow(&order).ok());
  fs::remove(data.path() + "/PG_VERSION");  // as if the disk did not answer any more
  EXPECT_TRUE(target.Follow(&order).ok());
  EXPECT_TRUE(target.ProveIfNeeded().ok());
  EXPECT_EQ(target.real_directory(), data.path());
}

TEST(GuardTarget, RefusesOnceWhenArmedAndProvesAtTheDeadline) {
  const agent::TemporaryDirectory data;
  const GuardOrder order = ArmedFor(data.path());
  GuardTarget target;
  EXPECT_FALSE(target.Follow(&order).ok());
  EXPECT_TRUE(target.Follow(&order).ok()) << "said already";
  EXPECT_FALSE(target.ProveIfNeeded().ok());
  EXPECT_EQ(target.real_directory(), "");
  data.Write("PG_VERSION", "15\n");
  EXPECT_TRUE(target.ProveIfNeeded().ok());
  EXPECT_EQ(target.real_directory(), data.path());
}

TEST(GuardTarget, AnotherDirectoryNeedsAnotherProof) {
  const agent::TemporaryDirectory data;
  data.Write("PG_VERSION", "15\n");
  const agent::TemporaryDirectory empty;
  GuardTarget target;
  const GuardOrder first = ArmedFor(data.path());
  const GuardOrder second = ArmedFor(empty.path());
  ASSERT_TRUE(target.Follow(&first).ok());
  EXPECT_FALSE(target.Follow(&second).ok());
  EXPECT_EQ(target.real_directory(), "");
}

TEST(GuardTarget, IsForgottenWhenDisarmed) {
  const agent::TemporaryDirectory data;
  data.Write("PG_VERSION", "15\n");
  const GuardOrder order = ArmedFor(data.path());
  GuardTarget target;
  ASSERT_TRUE(target.Follow(&order).ok());
  const GuardOrder disarmed;
  EXPECT_TRUE(target.Follow(&disarmed).ok());
  EXPECT_EQ(target.real_directory(), "");
  EXPECT_TRUE(target.Follow(nullptr).ok());
}

}  // namespace
}  // namespace pgmahout::guard
