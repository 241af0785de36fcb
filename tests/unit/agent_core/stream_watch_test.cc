// SPDX-License-Identifier: Apache-2.0
#include "agent/core/stream_watch.h"

#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

constexpr BootTime kBegin = BootTime::FromMilliseconds(1'000);
constexpr BootTime kLater = BootTime::FromMilliseconds(9'000);

Observation Streaming() {
  return RunningStandby().observation;
}

Observation ReceivingNothing() {
  Observation seen = Streaming();
  seen.sql->receiver_streaming = false;
  return seen;
}

Observation Starting(const std::string& replaying) {
  Observation seen = Streaming();
  seen.sql.reset();
  seen.server = ServerState::kStarting;
  seen.replaying = replaying;
  return seen;
}

Observation Ended() {
  Observation seen = Streaming();
  seen.sql.reset();
  seen.server = ServerState::kStopped;
  seen.postmaster_alive = false;
  return seen;
}

TEST(StreamWatch, TellsSinceWhenNothingIsReceived) {
  StreamWatch watch;
  watch.Take(ReceivingNothing(), StepKind::kWait, kBegin);
  watch.Take(ReceivingNothing(), StepKind::kWait, kLater);
  EXPECT_EQ(watch.since(), kBegin);
  watch.Take(Streaming(), StepKind::kWait, kLater);
  EXPECT_EQ(watch.since(), std::nullopt);
  watch.Take(RunningPrimary().observation, StepKind::kWait, kLater);
  EXPECT_EQ(watch.since(), std::nullopt) << "a primary receives nothing either";
}

TEST(StreamWatch, TellsSinceWhenNothingNewIsReplayed) {
  StreamWatch watch;
  watch.Take(Starting("A"), StepKind::kWait, kBegin);
  EXPECT_EQ(watch.since(), std::nullopt);
  watch.Take(Starting("A"), StepKind::kWait, kLater);
  EXPECT_EQ(watch.since(), kLater);
  watch.Take(Starting("B"), StepKind::kWait, kLater);
  EXPECT_EQ(watch.since(), std::nullopt);
}

TEST(StreamWatch, ServerThatEndsWheneverItIsStartedIsOfNoUse) {
  StreamWatch watch;
  watch.Take(Ended(), StepKind::kStart, kBegin);
  for (const StepKind step :
       {StepKind::kRemember, StepKind::kConfigure, StepKind::kBaseBackup, StepKind::kStart}) {
    watch.Take(Starting(""), StepKind::kStart, kLater);
    watch.Take(Ended(), step, kLater);
    EXPECT_EQ(watch.since(), kBegin) << "whatever is tried meanwhile";
  }
  watch.Take(Streaming(), StepKind::kStart, kLater);
  EXPECT_EQ(watch.since(), std::nullopt) << "it has started";
}

TEST(StreamWatch, TimeDoesNotCountWhileSomebodyKeepsItStopped) {
  StreamWatch watch;
  watch.Take(Ended(), StepKind::kStart, kBegin);
  watch.Take(Ended(), StepKind::kWait, kLater);
  EXPECT_EQ(watch.since(), std::nullopt);
}

TEST(StreamWatch, AnotherCopyBeginsAnew) {
  StreamWatch watch;
  watch.Take(ReceivingNothing(), StepKind::kWait, kBegin);
  watch.Reset();
  watch.Take(ReceivingNothing(), StepKind::kWait, kLater);
  EXPECT_EQ(watch.since(), kLater);
}

}  // namespace
}  // namespace pgmahout::agent
