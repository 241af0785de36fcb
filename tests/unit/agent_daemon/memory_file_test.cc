// SPDX-License-Identifier: Apache-2.0
// The agent's memory and lease on disk: whatever happens to the bytes, nothing is ever guessed.
#include "agent/daemon/memory_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/unit/agent_daemon/state_directory.h"

namespace pgmahout::agent {
namespace {

using ::testing::HasSubstr;

Memory FullMemory() {
  Memory memory;
  memory.epoch = 17;
  memory.cluster = "orders";
  memory.system_identifier = 7423474350493388827U;
  memory.data_number = 3;
  memory.started_epoch = 16;
  memory.rewind_tried_epoch = 15;
  memory.replaced_epoch = 12;
  memory.backfilled_epoch = 14;
  memory.checkpointed_epoch = 13;
  memory.adopted = true;
  return memory;
}

Lease FullLease() {
  return Lease{17, BootTime::FromMilliseconds(123'456), Duration{10'000}, {1, {"db2", "db3"}}};
}

TEST(Memory, IsReadAsItWasStored) {
  const StateDirectory state;
  ASSERT_TRUE(StoreMemory(state.File("memory"), FullMemory()).ok());
  EXPECT_EQ(*LoadMemory(state.File("memory")), FullMemory());
  EXPECT_EQ(*DecodeMemory(EncodeMemory(Memory{})), Memory{});
}

TEST(Memory, EveryMissingEndIsFound) {
  const std::string whole = EncodeMemory(FullMemory());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeMemory(whole.substr(0, size)).status())) << size;
  }
}

TEST(Memory, EveryFlippedBitIsFound) {
  const std::string whole = EncodeMemory(FullMemory());
  for (size_t at = 0; at < whole.size() * 8; ++at) {
    std::string text = whole;
    text[at / 8] = static_cast<char>(text[at / 8] ^ (1 << (at % 8)));
    EXPECT_TRUE(absl::IsDataLoss(DecodeMemory(text).status())) << at;
  }
}

TEST(Memory, ZerosNoiseAndTwoFilesInOneAreNoMemory) {
  const std::string whole = EncodeMemory(FullMemory());
  for (const std::string& text :
       {std::string(whole.size(), '\0'), std::string(4096, 'x'), whole + whole, whole + "\n"}) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeMemory(text).status()));
  }
}

TEST(Memory, DamagedOneSaysWhatToDo) {
  const StateDirectory state;
  for (const std::string& text : {std::string(), std::string(200, '\0')}) {
    ASSERT_TRUE(WriteFileDurably(state.File("memory"), text, 0600).ok());
    const absl::Status status = LoadMemory(state.File("memory")).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(state.File("memory")));
    EXPECT_THAT(InfoOf(status).hint, HasSubstr("pgmahout node remove"));
    EXPECT_EQ(*ReadFile(state.File("memory")), text) << "left as it is";
  }
}

TEST(Memory, IsEmptyOnlyWhereThereIsNoDataEither) {
  const StateDirectory state;
  EXPECT_TRUE(LoadMemory(state.File("memory")).ok());
  EXPECT_TRUE(CheckMemoryIsThere(state.File("memory"), state.File("nowhere")).ok());
  std::filesystem::create_directory(state.File("run"));
  EXPECT_TRUE(CheckMemoryIsThere(state.File("memory"), state.path()).ok());
  std::filesystem::create_directory(state.File("pgdata.4"));
  const absl::Status lost = CheckMemoryIsThere(state.File("memory"), state.path());
  EXPECT_TRUE(absl::IsDataLoss(lost)) << lost;
  EXPECT_THAT(std::string(lost.message()), HasSubstr("pgdata.4"));
  EXPECT_THAT(InfoOf(lost).hint, HasSubstr("Never bring an older copy"));
  ASSERT_TRUE(StoreMemory(state.File("memory"), FullMemory()).ok());
  EXPECT_TRUE(CheckMemoryIsThere(state.File("memory"), state.path()).ok());
}

// ---- The lease: without one nobody is primary, so damage needs no error ----

TEST(LeaseFile, IsReadInTheSameBootOnly) {
  const StateDirectory state;
  ASSERT_TRUE(StoreLease(state.File("lease"), "boot-1", FullLease()).ok());
  EXPECT_EQ(LoadLease(state.File("lease"), "boot-1"), FullLease());
  EXPECT_EQ(LoadLease(state.File("lease"), "boot-2"), std::nullopt);
  EXPECT_EQ(LoadLease(state.File("none"), "boot-1"), std::nullopt);
}

TEST(LeaseFile, AnyDamageMeansNoLease) {
  const StateDirectory state;
  ASSERT_TRUE(StoreLease(state.File("lease"), "boot-1", FullLease()).ok());
  const std::string whole = *ReadFile(state.File("lease"));
  for (size_t size = 0; size < whole.size(); ++size) {
    ASSERT_TRUE(WriteFileAtomically(state.File("lease"), whole.substr(0, size), 0600).ok());
    EXPECT_EQ(LoadLease(state.File("lease"), "boot-1"), std::nullopt) << size;
  }
  for (size_t at = 0; at < whole.size() * 8; at += 3) {
    std::string text = whole;
    text[at / 8] = static_cast<char>(text[at / 8] ^ (1 << (at % 8)));
    ASSERT_TRUE(WriteFileAtomically(state.File("lease"), text, 0600).ok());
    EXPECT_EQ(LoadLease(state.File("lease"), "boot-1"), std::nullopt) << at;
  }
}

}  // namespace
}  // namespace pgmahout::agent
