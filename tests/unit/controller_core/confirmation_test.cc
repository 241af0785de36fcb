// SPDX-License-Identifier: Apache-2.0
// When a change of the quorum is confirmed and older ones are forgotten (I2), and which addresses
// the names get: one change, one difference.
#include <gtest/gtest.h>

#include "controller/core/quorum.h"
#include "tests/unit/controller_core/states.h"

namespace pgmahout::controller {
namespace {

// {db2} was ordered instead of {db2, db3}, is in effect, and its barrier is set.
ClusterState Changed() {
  ClusterState state = Settled();
  state.durable.older = {state.durable.quorum};
  state.durable.quorum = Quorum{1, {"db2"}};
  state.quorum_barrier = Wal(110);
  state.members.at("db3").attached = state.members.at("db3").replays = false;
  state.members.at("db3").not_streaming_since = kNow - Duration{60'000};
  state.durable.names.standby_addresses = {"10.0.0.2"};
  Report& report = ReportFrom(state, "db1");
  report.quorum_in_effect = state.durable.quorum;
  report.attached.pop_back();
  return state;
}

TEST(ConfirmQuorum, NeedsItsOwnMembersBeyondTheBarrier) {
  ExpectEachPrevents(
      Changed(), "confirm-quorum",
      {{"flushed less", [](ClusterState& state) { state.quorum_barrier = Wal(111); }},
       {"does not stream",
        [](ClusterState& state) { ReportFrom(state, "db1").attached[0].streaming = false; }},
       {"is no member of it",
        [](ClusterState& state) { ReportFrom(state, "db1").attached[0].node = "db3"; }},
       {"another is in effect",
        [](ClusterState& state) {
          ReportFrom(state, "db1").quorum_in_effect = Quorum{1, {"db2", "db3"}};
          state.quorum_barrier = Wal(1);
        }},
       {"the primary is not heard", [](ClusterState& state) { Silence(state, "db1"); }},
       {"it has told nothing since this controller started",
        [](ClusterState& state) { state.members.at("db1").report.reset(); }},
       {"it is no primary",
        [](ClusterState& state) { ReportFrom(state, "db1").role = ServerRole::kStandby; }},
       {"it is writable by an earlier order",
        [](ClusterState& state) { ReportFrom(state, "db1").writable_epoch = 0; }},
       {"its position when the quorum came into effect is not known yet",
        [](ClusterState& state) {
          state.quorum_barrier.reset();
          ReportFrom(state, "db1").quorum_in_effect.reset();
        }},
       {"all is confirmed already", [](ClusterState& state) { state.durable.older.clear(); }}});
}

TEST(ConfirmQuorum, WhatWasWrittenBeforeItCameIntoEffectCountsToo) {
  ClusterState state = Changed();
  state.quorum_barrier.reset();
  ReportFrom(state, "db1").write_lsn = Wal(111);  // flushed there, but not on db2 yet
  const Outcome outcome = Look(state);
  EXPECT_EQ(outcome.state.quorum_barrier, Wal(111));
  EXPECT_FALSE(outcome.state.durable.older.empty());
}

// It asks for no confirmation itself. But any of its standbys may be promoted, also one that lacks
// what another confirmed before.
TEST(ConfirmQuorum, AnAsynchronousOneKeepsWhatWasPromisedBefore) {
  ClusterState state = Changed();
  state.durable.quorum = Quorum{0, {"db2", "db3"}};
  ReportFrom(state, "db1").quorum_in_effect = state.durable.quorum;
  EXPECT_FALSE(Fires(state, "confirm-quorum")) << "only db2 has what was written before";
  ClusterState lags = state;
  ReportFrom(lags, "db1").attached.push_back(Attached{"db3", true, "", Wal(109), Wal(109)});
  EXPECT_FALSE(Fires(lags, "confirm-quorum"));
  ClusterState has_it = state;
  ReportFrom(has_it, "db1").attached.push_back(Attached{"db3", true, "", Wal(110), Wal(110)});
  EXPECT_TRUE(Fires(has_it, "confirm-quorum"));

  ClusterState was_asynchronous = state;
  was_asynchronous.durable.older = {Quorum{0, {"db2"}}};
  EXPECT_FALSE(Fires(was_asynchronous, "confirm-quorum")) << "db2 may have taken over a promise";
  ClusterState was_alone = state;
  was_alone.durable.older = {Quorum{}};
  EXPECT_FALSE(Fires(was_alone, "confirm-quorum")) << "it promised that nobody is promoted unasked";
}

// A report from before both orders must not pass for the confirmation of the second.
TEST(ChangeQuorum, BackToAnOlderOneWaitsUntilThePresentOneWasInEffect) {
  ClusterState state = Changed();
  state.members.at("db3").attached = true;
  ReportFrom(state, "db1").attached.push_back(Attached{"db3", true, "", Wal(110), Wal(110)});
  state.quorum_barrier = Wal(111);  // seen in effect, not confirmed
  ASSERT_EQ(TargetQuorum(state, kNow, Timing{}), state.durable.older[0]);
  EXPECT_TRUE(Fires(state, "change-quorum"));
  state.quorum_barrier.reset();
  ReportFrom(state, "db1").quorum_in_effect = state.durable.older[0];
  EXPECT_FALSE(Fires(state, "change-quorum"));
}

TEST(OrderQuorum, KeepsEachOlderOneOnce) {
  ClusterState state = Settled();
  const Quorum both = state.durable.quorum;
  const Quorum one{1, {"db2"}};
  OrderQuorum(state, one);
  EXPECT_EQ(state.durable.older, std::vector<Quorum>{both});
  OrderQuorum(state, both);
  EXPECT_EQ(state.durable.older, (std::vector<Quorum>{both, one}));
  OrderQuorum(state, one);
  EXPECT_EQ(state.durable.older, (std::vector<Quorum>{both, one})) << "both was in effect twice";
  EXPECT_EQ(state.durable.quorum, one);
}

TEST(FutureQuorum, HoldsNobodyWhoWasRemovedFromTheSpec) {
  Durable durable = Settled(SpecOf(4)).durable;
  EXPECT_EQ(FutureQuorum(durable, "db2"), (Quorum{1, {"db3", "db4"}}));
  durable.spec.nodes.pop_back();  // db4; the quorum changes by a step of its own
  EXPECT_EQ(FutureQuorum(durable, "db2"), (Quorum{1, {"db3"}}));
}

// ---- Names ----

TEST(Names, HoldNoStandbyWhoseAddressIsNotKnown) {
  ClusterState state = Settled();
  state.members.at("db3").address.clear();
  EXPECT_EQ(Look(state).state.durable.names.standby_addresses,
            std::vector<std::string>{"10.0.0.2"});
}

TEST(Names, OfStandbysAreOptional) {
  ClusterState state = Settled();
  state.durable.spec.dns.standbys.clear();
  const NameRecords names = Look(state).state.durable.names;
  EXPECT_TRUE(names.standby_addresses.empty());
  EXPECT_EQ(names.primary_addresses, std::vector<std::string>{"10.0.0.1"});
}

}  // namespace
}  // namespace pgmahout::controller
