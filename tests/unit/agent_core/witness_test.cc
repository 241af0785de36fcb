// SPDX-License-Identifier: Apache-2.0
// A primary without a controller goes on while enough standbys cannot have voted for another one.
#include "agent/core/witness.h"

#include <gtest/gtest.h>

#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

constexpr Duration kLength{10'000};

Observation Seen(BootTime marker_before, Lsn marker, std::vector<Attached> attached) {
  Observation seen;
  seen.postmaster_alive = true;
  seen.sql.emplace();
  seen.sql->marker_before = marker_before;
  seen.sql->marker_lsn = marker;
  seen.sql->attached = std::move(attached);
  return seen;
}

Attached Flushed(const std::string& node, uint64_t lsn) {
  return Attached{node, true, "quorum", Lsn{lsn}, Lsn{lsn}};
}

Lease LeaseOf(Quorum quorum, BootTime deadline = At(20'000)) {
  return Lease{kEpoch, deadline, kLength, std::move(quorum)};
}

TEST(Witnesses, AreDatedByTheLatestMarkerTheyHaveFlushed) {
  Witnesses witnesses;
  witnesses.Take(Seen(At(1'000), Lsn{100}, {}));
  witnesses.Take(Seen(At(2'000), Lsn{200}, {Flushed("db2", 150), Flushed("db3", 99)}));
  EXPECT_EQ(witnesses.seen().at("db2"), At(1'000)) << "the second marker has not come to it";
  EXPECT_EQ(witnesses.seen().count("db3"), 0U);
  witnesses.Take(Seen(At(3'000), Lsn{300}, {Flushed("db2", 300)}));
  EXPECT_EQ(witnesses.seen().at("db2"), At(3'000));
}

TEST(Witnesses, WhoNoLongerStreamsSaysNothingNew) {
  Witnesses witnesses;
  witnesses.Take(Seen(At(1'000), Lsn{100}, {Flushed("db2", 100)}));
  Attached lost = Flushed("db2", 900);
  lost.streaming = false;
  witnesses.Take(Seen(At(5'000), Lsn{200}, {lost}));
  EXPECT_EQ(witnesses.seen().at("db2"), At(1'000));
}

TEST(Witnesses, AreForgottenWithTheRole) {
  Witnesses witnesses;
  witnesses.Take(Seen(At(1'000), Lsn{100}, {Flushed("db2", 100)}));
  Observation standby = Seen(At(2'000), Lsn{}, {});
  standby.sql->in_recovery = true;
  witnesses.Take(standby);
  EXPECT_TRUE(witnesses.seen().empty());
  witnesses.Take(Seen(At(3'000), Lsn{50}, {Flushed("db2", 60)}));
  EXPECT_EQ(witnesses.seen().at("db2"), At(3'000)) << "LSNs of another timeline do not count";
}

TEST(Witnesses, SurviveALookWithoutAnAnswer) {
  Witnesses witnesses;
  witnesses.Take(Seen(At(1'000), Lsn{100}, {Flushed("db2", 100)}));
  Observation hung;
  hung.postmaster_alive = true;
  witnesses.Take(hung);
  EXPECT_EQ(witnesses.seen().count("db2"), 1U);
}

TEST(WriteDeadline, IsTheLeasesWithoutWitnesses) {
  EXPECT_EQ(WriteDeadline(std::nullopt, {}, At(1)), std::nullopt);
  EXPECT_EQ(WriteDeadline(LeaseOf({1, {"db2", "db3"}}), {}, At(15'000)), At(20'000));
}

TEST(WriteDeadline, MovesOnWithAsManyWitnessesAsConfirmACommit) {
  const std::map<std::string, BootTime> seen = {{"db2", At(18'000)}, {"db3", At(16'000)}};
  EXPECT_EQ(WriteDeadline(LeaseOf({1, {"db2", "db3"}}), seen, At(19'000)), At(28'000));
  EXPECT_EQ(WriteDeadline(LeaseOf({2, {"db2", "db3"}}), seen, At(19'000)), At(26'000))
      << "the second one counts";
  EXPECT_EQ(WriteDeadline(LeaseOf({2, {"db2", "db4"}}), seen, At(19'000)), At(20'000));
}

TEST(WriteDeadline, NeverMovesBack) {
  const std::map<std::string, BootTime> seen = {{"db2", At(3'000)}};
  EXPECT_EQ(WriteDeadline(LeaseOf({1, {"db2"}}), seen, At(19'000)), At(20'000));
}

TEST(WriteDeadline, WhoIsNotOfTheQuorumIsNoWitness) {
  const std::map<std::string, BootTime> seen = {{"db9", At(18'000)}};
  EXPECT_EQ(WriteDeadline(LeaseOf({1, {"db2"}}), seen, At(19'000)), At(20'000));
}

// Nobody but this node may be promoted unasked, so there is nobody to wait for.
TEST(WriteDeadline, WithoutAQuorumThePrimaryNeedsNobody) {
  EXPECT_EQ(WriteDeadline(LeaseOf({0, {}}), {}, At(50'000)), At(60'000));
}

TEST(WriteDeadline, AsynchronousNeedsAMajorityWithThePrimary) {
  const Quorum five{0, {"db2", "db3", "db4", "db5"}};
  const std::map<std::string, BootTime> one = {{"db2", At(18'000)}};
  const std::map<std::string, BootTime> two = {{"db2", At(18'000)}, {"db5", At(17'000)}};
  EXPECT_EQ(WriteDeadline(LeaseOf(five), one, At(19'000)), At(20'000));
  EXPECT_EQ(WriteDeadline(LeaseOf(five), two, At(19'000)), At(27'000));
}

// A lease from an agent that knew no witnesses.
TEST(WriteDeadline, LeaseWithoutALengthIsNotExtended) {
  Lease lease = LeaseOf({0, {}});
  lease.length = Duration{0};
  EXPECT_EQ(WriteDeadline(lease, {}, At(50'000)), At(20'000));
}

TEST(Failsafe, PrimaryGoesOnWithoutAControllerWhileWitnessesStream) {
  World world = RunningPrimary();
  world.lease->deadline = world.now + Duration{500};  // long in the margin
  EXPECT_EQ(Decided(world), "fence-at-deadline: kill");
  world.witnesses["db3"] = world.now - Duration{1'000};
  EXPECT_EQ(Decided(world), "be-primary: wait");
  world.now = world.now + Duration{6'001};
  EXPECT_EQ(Decided(world), "fence-at-deadline: stop") << "the last witness is 7 s old";
}

TEST(Failsafe, StartsNothing) {
  World world = RunningPrimary();
  world.lease->deadline = world.now + Duration{500};
  world.witnesses["db3"] = world.now;
  world.observation.sql.reset();
  world.observation.postmaster_alive = false;
  world.observation.server = ServerState::kStopped;
  EXPECT_EQ(Decided(world), "be-primary: wait");
}

}  // namespace
}  // namespace pgmahout::agent
