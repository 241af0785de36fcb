// SPDX-License-Identifier: Apache-2.0
// Finding the processes of a server by their working directory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "agent/postgres/process_control.h"
#include "tests/unit/agent_postgres/child.h"

namespace pgmahout::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ServerProcesses, AreThoseThatWorkInTheDirectory) {
  const TemporaryDirectory data;
  const TemporaryDirectory elsewhere;
  const Child server(data.path());
  const Child other(elsewhere.path());
  EXPECT_THAT(FindServerProcesses(data.path()), ElementsAre(server.pid()));
}

TEST(ServerProcesses, AreFoundThroughASymbolicLink) {
  const TemporaryDirectory data;
  const TemporaryDirectory elsewhere;
  const std::string link = elsewhere.path() + "/link";
  std::filesystem::create_directory_symlink(data.path(), link);
  const Child server(data.path());
  EXPECT_THAT(FindServerProcesses(link), ElementsAre(server.pid()));
}

TEST(ServerProcesses, ZombiesAreNone) {
  const TemporaryDirectory data;
  Child server(data.path());
  data.Write("postmaster.pid", absl::StrCat(server.pid(), "\n"));
  EXPECT_EQ(FindPostmaster(data.path()), server.pid());
  kill(server.pid(), SIGKILL);
  ASSERT_TRUE(WaitForEnd(server.pid(), Duration{10'000}));
  EXPECT_THAT(FindServerProcesses(data.path()), IsEmpty());
  EXPECT_EQ(FindPostmaster(data.path()), 0);
}

TEST(ServerProcesses, NoneInADirectoryThatDoesNotExist) {
  EXPECT_THAT(FindServerProcesses("/nonexistent/pgdata.1"), IsEmpty());
  EXPECT_EQ(FindPostmaster("/nonexistent/pgdata.1"), 0);
  EXPECT_TRUE(KillServerProcesses("/nonexistent/pgdata.1", Duration{100}).ok());
}

TEST(LockFile, IsRemovedIfItIsEmptyAndNobodyWorksThere) {
  const TemporaryDirectory data;
  const std::string file = data.path() + "/postmaster.pid";
  EXPECT_TRUE(RemoveEmptyLockFile(data.path(), file).ok()) << "there is none";
  data.Write("postmaster.pid", "");
  {
    const Child server(data.path());
    EXPECT_TRUE(absl::IsUnavailable(RemoveEmptyLockFile(data.path(), file)));
    EXPECT_TRUE(std::filesystem::exists(file)) << "it may be one that is starting";
  }
  EXPECT_TRUE(RemoveEmptyLockFile(data.path(), file).ok());
  EXPECT_FALSE(std::filesystem::exists(file));
  data.Write("postmaster.pid", std::string(4, '\0'));
  EXPECT_TRUE(RemoveEmptyLockFile(data.path(), file).ok());
  EXPECT_FALSE(std::filesystem::exists(file));
  data.Write("postmaster.pid", "1\n");
  EXPECT_TRUE(RemoveEmptyLockFile(data.path(), file).ok());
  EXPECT_TRUE(std::filesystem::exists(file)) << "PostgreSQL judges it by its process";
}

TEST(Postmaster, IsNotAProcessThatGotItsNumberLater) {
  const TemporaryDirectory data;
  const TemporaryDirectory elsewhere;
  const Child other(elsewhere.path());
  data.Write("postmaster.pid", absl::StrCat(other.pid(), "\n", data.path(), "\n"));
  EXPECT_EQ(FindPostmaster(data.path()), 0);
}

TEST(Postmaster, IsNotASingleUserServerNorNonsense) {
  const TemporaryDirectory data;
  const Child server(data.path());
  for (const std::string& text : {absl::StrCat("-", server.pid(), "\n"), std::string("x\n"),
                                  std::string("\n"), std::string()}) {
    data.Write("postmaster.pid", text);
    EXPECT_EQ(FindPostmaster(data.path()), 0) << text;
  }
}

TEST(KillServerProcesses, LeavesNoneAndNoBystander) {
  const TemporaryDirectory data;
  const TemporaryDirectory elsewhere;
  Child first(data.path());
  Child second(data.path());
  const Child other(elsewhere.path());
  EXPECT_TRUE(KillServerProcesses(data.path(), Duration{10'000}).ok());
  EXPECT_EQ(first.WaitForSignal(), SIGKILL);
  EXPECT_EQ(second.WaitForSignal(), SIGKILL);
  EXPECT_EQ(kill(other.pid(), 0), 0);
}

TEST(WaitForEnd, TellsWhetherItEndedInTime) {
  const TemporaryDirectory data;
  const Child server(data.path());
  EXPECT_FALSE(WaitForEnd(server.pid(), Duration{10}));
  kill(server.pid(), SIGKILL);
  EXPECT_TRUE(WaitForEnd(server.pid(), Duration{10'000}));
}

}  // namespace
}  // namespace pgmahout::agent
