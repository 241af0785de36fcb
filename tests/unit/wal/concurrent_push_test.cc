// SPDX-License-Identifier: Apache-2.0
// Several processes push one name at the same moment: one file, whole, and nobody replaces it.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "agent/wal/archive.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/wal/segment.h"

namespace pgmahout::wal {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr size_t kPushers = 8;
constexpr int kRounds = 10;

// Pushes each source in a process of its own, all let go at once. The codes are in their order.
std::vector<absl::StatusCode> PushTogether(const std::string& archive,
                                           const std::vector<std::string>& sources) {
  std::array<int, 2> gate{};
  EXPECT_EQ(pipe(gate.data()), 0);
  std::vector<pid_t> pids;
  for (const std::string& source : sources) {
    pids.push_back(fork());
    if (pids.back() == 0) {
      close(gate[1]);
      char nothing = 0;
      const bool is_open = read(gate[0], &nothing, 1) == 0;  // ends when the parent closes
      _exit(is_open ? Push(archive, source).raw_code() : 99);
    }
  }
  close(gate[0]);
  close(gate[1]);
  std::vector<absl::StatusCode> codes;
  for (const pid_t pid : pids) {
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status));
    codes.push_back(static_cast<absl::StatusCode>(WEXITSTATUS(status)));
  }
  return codes;
}

TEST(ConcurrentPush, OfTheSameContentSucceedsForAll) {
  const ScratchDirectory scratch;
  const std::string source = WriteSegment(scratch.Make("pg_wal"), {});
  for (int round = 0; round < kRounds; ++round) {
    const std::string archive = scratch.Make(absl::StrCat("archive", round));
    EXPECT_THAT(PushTogether(archive, std::vector<std::string>(kPushers, source)),
                Each(absl::StatusCode::kOk));
    ASSERT_THAT(ListDirectory(archive), ElementsAre(NameOf({})));
    EXPECT_EQ(ReadWhole(absl::StrCat(archive, "/", NameOf({}))), MakeSegment({}));
  }
}

TEST(ConcurrentPush, OfDifferentContentHasExactlyOneWinner) {
  const ScratchDirectory scratch;
  std::vector<std::string> sources;
  for (uint32_t noise = 1; noise <= kPushers; ++noise) {
    sources.push_back(WriteSegment(scratch.Make(absl::StrCat("pg_wal", noise)), {.noise = noise}));
  }
  for (int round = 0; round < kRounds; ++round) {
    const std::string archive = scratch.Make(absl::StrCat("archive", round));
    const std::vector<absl::StatusCode> codes = PushTogether(archive, sources);
    EXPECT_EQ(std::count(codes.begin(), codes.end(), absl::StatusCode::kAlreadyExists),
              static_cast<std::ptrdiff_t>(kPushers - 1));
    const auto winner = std::find(codes.begin(), codes.end(), absl::StatusCode::kOk);
    ASSERT_NE(winner, codes.end());
    ASSERT_THAT(ListDirectory(archive), ElementsAre(NameOf({})));
    EXPECT_EQ(ReadWhole(absl::StrCat(archive, "/", NameOf({}))),
              ReadWhole(sources[static_cast<size_t>(winner - codes.begin())]));
  }
}

}  // namespace
}  // namespace pgmahout::wal
