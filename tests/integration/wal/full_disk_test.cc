// SPDX-License-Identifier: Apache-2.0
// A full disk, on a tmpfs smaller than one segment: a failure that says so, nothing left behind,
// and success once there is room. Needs root for the mount; skipped otherwise.
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/subprocess.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/wal/segment.h"

namespace pgmahout::wal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr SegmentSpec kSegment{.bytes = 16 * kMebibyte};

class FullDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    if (mount("pgm-wal-test", small_.c_str(), "tmpfs", 0, "size=4m") != 0) {
      GTEST_SKIP() << "cannot mount a tmpfs: " << std::strerror(errno);
    }
    is_mounted_ = true;
  }

  void TearDown() override {
    if (is_mounted_) {
      EXPECT_EQ(umount2(small_.c_str(), MNT_DETACH), 0) << std::strerror(errno);
    }
  }

  void MakeRoom() const {
    ASSERT_EQ(mount("pgm-wal-test", small_.c_str(), "tmpfs", MS_REMOUNT, "size=40m"), 0)
        << std::strerror(errno);
  }

  static CommandResult Run(const std::vector<std::string>& arguments) {
    Command command;
    command.argv = arguments;
    command.argv.insert(command.argv.begin(), PGMAHOUT_WAL_PROGRAM);
    const absl::StatusOr<CommandResult> result = RunCommand(std::move(command));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : CommandResult{.exit_code = -1, .out = "", .err = ""};
  }

  const ScratchDirectory scratch_;
  const std::string small_ = scratch_.Make("small");
  const std::string large_ = scratch_.Make("large");
  const std::string source_ = WriteSegment(large_, kSegment);
  bool is_mounted_ = false;
};

TEST_F(FullDiskTest, AFailedPushLeavesNothingAndSucceedsOnceThereIsRoom) {
  const std::vector<std::string> push = {"archive-push", "--directory", small_, source_};
  const CommandResult failed = Run(push);
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("No space left on device"));
  EXPECT_THAT(failed.err, HasSubstr(small_));
  EXPECT_THAT(ListDirectory(small_), IsEmpty());

  MakeRoom();
  EXPECT_EQ(Run(push).exit_code, 0);
  EXPECT_THAT(ListDirectory(small_), ElementsAre(NameOf(kSegment)));
  EXPECT_TRUE(ReadWhole(absl::StrCat(small_, "/", NameOf(kSegment))) == MakeSegment(kSegment));
}

TEST_F(FullDiskTest, AFailedGetDeliversNothingAndSucceedsOnceThereIsRoom) {
  const std::string restored = small_ + "/RECOVERYXLOG";
  const std::vector<std::string> get = {"archive-get", "--directory", large_, NameOf(kSegment),
                                        restored};
  const CommandResult failed = Run(get);
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("No space left on device"));
  EXPECT_THAT(ListDirectory(small_), IsEmpty());

  MakeRoom();
  EXPECT_EQ(Run(get).exit_code, 0);
  EXPECT_TRUE(ReadWhole(restored) == MakeSegment(kSegment));
}

}  // namespace
}  // namespace pgmahout::wal
