// SPDX-License-Identifier: Apache-2.0
// Killing by what /proc says, with processes that stand for a server.
#include "agent/guard/server_killer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/postgres/process_control.h"
#include "tests/unit/agent_postgres/child.h"

namespace pgmahout::guard {
namespace {

using agent::Child;
using agent::TemporaryDirectory;

class ServerKilling : public testing::Test {
 protected:
  std::unique_ptr<ServerKiller> killer = ServerKiller::Open().value();
};

TEST_F(ServerKilling, EndsWhatWorksThereAndNoBystander) {
  const TemporaryDirectory data;
  const TemporaryDirectory elsewhere;
  Child first(data.path());
  Child second(data.path());
  const Child other(elsewhere.path());
  kill(second.pid(), SIGSTOP);
  const KillRound round = killer->Kill(data.path(), "");
  EXPECT_EQ(round.found, 2U);
  EXPECT_EQ(round.newly_found, 2U);
  EXPECT_EQ(first.WaitForSignal(), SIGKILL);
  EXPECT_EQ(second.WaitForSignal(), SIGKILL);
  EXPECT_EQ(killer->Kill(data.path(), "").found, 0U);
  EXPECT_EQ(kill(other.pid(), 0), 0);
}

TEST_F(ServerKilling, FindsWhatTheAgentFinds) {
  const TemporaryDirectory data;
  std::vector<std::unique_ptr<Child>> server;
  for (int i = 0; i < 20; ++i) {
    server.push_back(std::make_unique<Child>(data.path()));
  }
  EXPECT_EQ(killer->Count(data.path()), agent::FindServerProcesses(data.path()).size());
  EXPECT_EQ(killer->Count(data.path()), 20U);
}

TEST_F(ServerKilling, APathThatOnlyBeginsAlikeIsAnother) {
  const TemporaryDirectory data;
  const std::string nested = data.path() + "/base";
  std::filesystem::create_directory(nested);
  const Child inside(nested);
  EXPECT_EQ(killer->Kill(data.path(), "").found, 0U);
  EXPECT_EQ(kill(inside.pid(), 0), 0);
}

TEST_F(ServerKilling, CountsAProcessOnceHoweverLongItDies) {
  const TemporaryDirectory data;
  Child first(data.path());
  EXPECT_EQ(killer->Kill(data.path(), "").newly_found, 1U);
  EXPECT_EQ(first.WaitForSignal(), SIGKILL);
  Child second(data.path());
  EXPECT_EQ(killer->Kill(data.path(), "").newly_found, 1U);
  EXPECT_EQ(second.WaitForSignal(), SIGKILL);
}

TEST_F(ServerKilling, ZombiesAndItselfAreNotFound) {
  const TemporaryDirectory data;
  const Child dead(data.path());
  kill(dead.pid(), SIGKILL);
  ASSERT_TRUE(agent::WaitForEnd(dead.pid(), Duration{10'000}));
  const std::filesystem::path here = std::filesystem::current_path();
  std::filesystem::current_path(data.path());
  EXPECT_EQ(killer->Kill(data.path(), "").found, 0U);
  std::filesystem::current_path(here);
}

TEST_F(ServerKilling, AllocatesNothing) {
  const TemporaryDirectory data;
  Child server(data.path());
  const struct mallinfo2 before = mallinfo2();
  killer->Kill(data.path(), "/sys/fs/cgroup/nonexistent");
  const struct mallinfo2 after = mallinfo2();
  EXPECT_EQ(after.uordblks, before.uordblks);
  EXPECT_EQ(after.arena, before.arena);
  EXPECT_EQ(server.WaitForSignal(), SIGKILL);
}

// A cgroup v2 directory of its own, as root only.
class Cgroup {
 public:
  Cgroup() {
    for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      const std::string path = absl::StrCat(mount, "/pgm-guard-test-", getpid());
      std::error_code error;
      if (std::filesystem::exists(absl::StrCat(mount, "/cgroup.procs")) &&
          std::filesystem::create_directory(path, error) &&
          std::filesystem::exists(path + "/cgroup.kill")) {
        path_ = path;
        return;
      }
      std::filesystem::remove(path, error);
    }
  }

  ~Cgroup() {
    if (!path_.empty()) {
      // A cgroup can be removed once the kernel has let go of its last process.
      for (int i = 0; i < 500 && rmdir(path_.c_str()) != 0; ++i) {
        usleep(10'000);
      }
    }
  }

  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  const std::string& path() const { return path_; }

  bool Add(pid_t pid) const {
    std::ofstream procs(path_ + "/cgroup.procs");
    procs << pid << std::flush;
    return procs.good();
  }

 private:
  std::string path_;
};

TEST_F(ServerKilling, KillsTheWholeCgroupOfTheServer) {
  const TemporaryDirectory data;
  const TemporaryDirectory elsewhere;
  const Cgroup cgroup;
  if (cgroup.path().empty()) {
    GTEST_SKIP() << "needs root and a writable cgroup v2 hierarchy";
  }
  Child server(data.path());
  Child archiver(elsewhere.path());  // changed its directory, as an archive_command may
  ASSERT_TRUE(cgroup.Add(server.pid()) && cgroup.Add(archiver.pid()));
  const KillRound round = killer->Kill(data.path(), cgroup.path());
  EXPECT_TRUE(round.used_cgroup);
  EXPECT_EQ(server.WaitForSignal(), SIGKILL);
  EXPECT_EQ(archiver.WaitForSignal(), SIGKILL);
}

TEST_F(ServerKilling, SparesACgroupThatIsNotTheServers) {
  const TemporaryDirectory data;
  const TemporaryDirectory elsewhere;
  const Cgroup cgroup;
  if (cgroup.path().empty()) {
    GTEST_SKIP() << "needs root and a writable cgroup v2 hierarchy";
  }
  Child server(data.path());
  const Child stranger(elsewhere.path());
  ASSERT_TRUE(cgroup.Add(stranger.pid()));
  const KillRound round = killer->Kill(data.path(), cgroup.path());
  EXPECT_FALSE(round.used_cgroup);
  EXPECT_EQ(server.WaitForSignal(), SIGKILL) << "the signals do without";
  EXPECT_EQ(kill(stranger.pid(), 0), 0);
}

TEST_F(ServerKilling, SparesACgroupInWhichItIsItself) {
  const TemporaryDirectory data;
  const Cgroup cgroup;
  if (cgroup.path().empty()) {
    GTEST_SKIP() << "needs root and a writable cgroup v2 hierarchy";
  }
  const pid_t grandchild = fork();
  if (grandchild == 0) {
    Child server(data.path());
    const bool moved = cgroup.Add(getpid()) && cgroup.Add(server.pid());
    const KillRound round = killer->Kill(data.path(), cgroup.path());
    _exit(moved && !round.used_cgroup && server.WaitForSignal() == SIGKILL ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(grandchild, &status, 0), grandchild);
  EXPECT_TRUE(WIFEXITED(status)) << "it killed itself";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(ServerKilling, AnOrdinaryDirectoryIsNoCgroup) {
  const TemporaryDirectory data;
  const TemporaryDirectory fake;
  Child server(data.path());
  fake.Write("cgroup.procs", absl::StrCat(server.pid(), "\n"));
  fake.Write("cgroup.kill", "");
  EXPECT_FALSE(killer->Kill(data.path(), fake.path()).used_cgroup);
  EXPECT_EQ(server.WaitForSignal(), SIGKILL);
  EXPECT_EQ(std::filesystem::file_size(fake.path() + "/cgroup.kill"), 0U);
}

}  // namespace
}  // namespace pgmahout::guard
