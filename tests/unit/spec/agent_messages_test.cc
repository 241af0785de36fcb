// SPDX-License-Identifier: Apache-2.0
// Messages of the agents' stream: nothing is lost on the way, and nothing wrong gets in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/wire/convert.h"

namespace pgmahout {
namespace {

using ::testing::HasSubstr;

Report FullReport() {
  Report report;
  report.cluster = "orders";
  report.epoch = 4;
  report.generation = 7;
  report.system_identifier = 7423474350493388827U;
  report.server = ServerState::kRunning;
  report.role = ServerRole::kPrimary;
  report.data_is_complete = true;
  report.timeline = 4;
  report.parent_timeline = 2;
  report.fork_lsn = Lsn{100};
  report.write_lsn = Lsn{200};
  report.receive_lsn = Lsn{300};
  report.replay_lsn = Lsn{400};
  report.replay_lag_milliseconds = 12;
  report.replay_paused = true;
  report.receiver_streaming = true;
  report.receiver_upstream = "db2";
  report.upstream_unreachable = true;
  report.quorum_in_effect = Quorum{1, {"db2", "db3"}};
  report.attached = {{"db2", true, "quorum", Lsn{1}, Lsn{2}}};
  report.ballot = Ballot{5, 4, Lsn{500}};
  report.clean_stop = true;
  report.writable_epoch = 4;
  report.started_epoch = 3;
  report.roles_ready = true;
  report.server_version = "14.23";
  report.agent_version = "0.1.0";
  report.step = "base-backup 42%";
  report.step_error = "disk is full";
  report.pending_restart = {"max_connections"};
  report.disk_free_bytes = 12345;
  report.disk_bytes = 123456;
  report.disk_full_in = Duration{60'000};
  report.receiver_trouble = "no WAL receiver runs";
  report.diverged = DivergedWal{4, 3, Lsn{600}, Lsn{700}};
  report.server_started = 1'700'000'000'123'456;
  report.data_number = 3;
  report.adoption =
      AdoptionPlan{AdoptionPart::kStandby,
                   "PostgreSQL 14.23",
                   7,
                   {"it is stopped"},
                   {{"port", "5433", "5432", true}, {"work_mem", "4MB", "8MB", false}},
                   {"host all all all md5"},
                   {"a slot stays"}};
  return report;
}

TEST(Reports, ArriveAsTheyWereSent) {
  const Report report = FullReport();
  const auto again = FromProto(ToProto(report));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, report);
  EXPECT_EQ(*FromProto(ToProto(Report{})), Report{});
}

TEST(Reports, PlansOfAdoptionAreCheckedToo) {
  for (const AdoptionPart part :
       {AdoptionPart::kCopy, AdoptionPart::kPrimary, AdoptionPart::kStandby}) {
    AdoptionPlan plan;
    plan.part = part;
    EXPECT_EQ(*FromProto(ToProto(plan)), plan);
  }
  const v1::AdoptionPlan good = ToProto(*FullReport().adoption);
  const auto refuses = [&good](const auto& spoil) {
    v1::AdoptionPlan bad = good;
    spoil(bad);
    return !FromProto(bad).ok();
  };
  const std::string huge(5'000, 'x');
  EXPECT_TRUE(refuses([](auto& plan) { plan.set_part(static_cast<v1::AdoptionPart>(9)); }));
  EXPECT_TRUE(refuses([&](auto& plan) { plan.set_server(huge); }));
  EXPECT_TRUE(refuses([&](auto& plan) { plan.add_refusals(huge); }));
  EXPECT_TRUE(refuses([&](auto& plan) { plan.add_hba(huge); }));
  EXPECT_TRUE(refuses([&](auto& plan) { plan.add_notes(huge); }));
  EXPECT_TRUE(refuses([&](auto& plan) { plan.add_settings()->set_name(huge); }));
  EXPECT_TRUE(refuses([&](auto& plan) { plan.add_settings()->set_from(huge); }));
  EXPECT_TRUE(refuses([&](auto& plan) { plan.add_settings()->set_to(huge); }));
  EXPECT_TRUE(refuses([](auto& plan) {
    for (int i = 0; i < 501; ++i) {
      plan.add_notes("x");
    }
  }));
  EXPECT_TRUE(refuses([](auto& plan) {
    for (int i = 0; i < 501; ++i) {
      plan.add_settings();
    }
  }));
  v1::AdoptionPlan terminal = good;
  terminal.set_notes(0, "a\x1b[2Jb");
  EXPECT_EQ(FromProto(terminal)->notes[0], "a [2Jb");
}

TEST(Reports, WithUnknownWordsAreRefused) {
  v1::MemberReport proto = ToProto(FullReport());
  proto.set_server(static_cast<v1::ServerState>(99));
  EXPECT_EQ(FromProto(proto).status().code(), absl::StatusCode::kInvalidArgument);
  proto = ToProto(FullReport());
  proto.set_role(static_cast<v1::ServerRole>(99));
  EXPECT_EQ(FromProto(proto).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Reports, ThatAreTooLargeAreRefused) {
  v1::MemberReport proto = ToProto(FullReport());
  proto.set_step_error(std::string(4097, 'x'));
  EXPECT_THAT(std::string(FromProto(proto).status().message()), HasSubstr("stepError"));
  proto = ToProto(FullReport());
  for (int i = 0; i < 64; ++i) {
    proto.add_attached()->set_node(absl::StrCat("db", i));
  }
  EXPECT_THAT(std::string(FromProto(proto).status().message()), HasSubstr("attached"));
}

TEST(Reports, WithBadNamesAreRefused) {
  v1::MemberReport proto = ToProto(FullReport());
  proto.set_cluster("../etc");
  EXPECT_FALSE(FromProto(proto).ok());
  proto = ToProto(FullReport());
  proto.mutable_quorum_in_effect()->add_standbys("a,b");
  EXPECT_FALSE(FromProto(proto).ok());
}

TEST(Reports, SomebodysPgReceivewalIsLeftOut) {
  v1::MemberReport proto = ToProto(FullReport());
  proto.add_attached()->set_node("pg_receivewal of Ann");
  const auto report = FromProto(proto);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->attached, FullReport().attached);
}

DesiredState FullDesiredState() {
  DesiredState desired;
  desired.cluster = "orders";
  desired.tenant = "default";
  desired.epoch = 5;
  desired.system_identifier = 42;
  desired.assignment = Assignment::kStandby;
  desired.upstream = "db2";
  desired.upstream_timeline = 4;
  desired.parent_timeline = 3;
  desired.fork_lsn = Lsn{77};
  desired.quorum = Quorum{1, {"db1", "db3"}};
  desired.members = {{"db1", "10.0.0.1", 5432}, {"db2", "10.0.0.2", 5432}};
  desired.spec.name = "orders";
  desired.spec.nodes = {"db1", "db2"};
  desired.replication_password = "secret";
  desired.credentials = {{"orders_app", "SCRAM-SHA-256$4096:x$y:z"}};
  desired.may_rebuild = true;
  desired.clean_stop = true;
  desired.hands_off = true;
  desired.rebuild_directory = 3;
  desired.new_timeline = 7;
  desired.former_primary_votes = true;
  desired.restart_server = 1'700'000'000'123'456;
  desired.adopt = true;
  return desired;
}

TEST(DesiredStates, ArriveAsTheyWereSent) {
  for (const Assignment assignment :
       {Assignment::kBootstrap, Assignment::kPrimary, Assignment::kStandby, Assignment::kPrepare,
        Assignment::kStop, Assignment::kPreview, Assignment::kAdopt}) {
    DesiredState desired = FullDesiredState();
    desired.assignment = assignment;
    const auto again = FromProto(ToProto(desired));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, desired);
  }
}

TEST(DesiredStates, MembershipOfNoneNeedsNoSpec) {
  const auto again = FromProto(ToProto(DesiredState{}));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, DesiredState{});
  v1::DesiredState proto = ToProto(FullDesiredState());
  proto.clear_spec();
  EXPECT_FALSE(FromProto(proto).ok());
}

TEST(DesiredStates, OfANewerControllerAreRefusedRatherThanGuessed) {
  v1::DesiredState proto = ToProto(FullDesiredState());
  proto.set_assignment(static_cast<v1::Assignment>(77));
  EXPECT_EQ(FromProto(proto).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DesiredStates, WithABrokenSpecPortOrRoleAreRefused) {
  v1::DesiredState proto = ToProto(FullDesiredState());
  proto.mutable_spec()->mutable_spec()->mutable_failover()->set_lease_ttl("1s");
  EXPECT_FALSE(FromProto(proto).ok());
  proto = ToProto(FullDesiredState());
  proto.mutable_members(0)->set_port(70000);
  EXPECT_FALSE(FromProto(proto).ok());
  proto = ToProto(FullDesiredState());
  proto.mutable_credentials(0)->set_role("postgres");
  EXPECT_FALSE(FromProto(proto).ok());
}

TEST(Orders, ArriveAsTheyWereSent) {
  Order order;
  order.answers = 9;
  order.controller_incarnation = 3;
  order.controller_opening = 0xfedc'ba98'7654'3210;
  order.epoch = 5;
  order.generation = 8;
  order.lease = Duration(10'000);
  order.member_lsn = {{"db1", Lsn{5}}, {"db3", Lsn{6}}};
  const auto again = FromProto(ToProto(order));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->answers, 9U);
  EXPECT_EQ(again->controller_incarnation, 3U);
  EXPECT_EQ(again->controller_opening, order.controller_opening);
  EXPECT_EQ(again->epoch, 5U);
  EXPECT_EQ(again->generation, 8U);
  EXPECT_EQ(again->lease, Duration(10'000));
  EXPECT_EQ(again->member_lsn, order.member_lsn);
}

TEST(Orders, WithAnAbsurdLeaseAreRefused) {
  v1::ControllerMessage proto;
  proto.set_lease_ms(4'000'000'000U);
  EXPECT_FALSE(FromProto(proto).ok());
}

}  // namespace
}  // namespace pgmahout
