// SPDX-License-Identifier: Apache-2.0
// What adopting a running server would change, and the step that does it.
#include "agent/core/adopt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "agent/core/release.h"
#include "tests/unit/agent_core/existing_server.h"

namespace pgmahout::agent {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const SettingChange* Find(const AdoptionPlan& plan, const std::string& name) {
  for (const SettingChange& change : plan.settings) {
    if (change.name == name) {
      return &change;
    }
  }
  return nullptr;
}

TEST(AdoptionPlan, NamesSettingsOldAndNewAndWhatNeedsARestart) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/true);
  const AdoptionPlan plan = PlanAdoption(world);
  EXPECT_THAT(plan.refusals, IsEmpty());
  EXPECT_EQ(plan.part, AdoptionPart::kPrimary);
  EXPECT_EQ(plan.server, "PostgreSQL 14.23 in /srv/pg/14");
  EXPECT_EQ(plan.system_identifier, kSystemIdentifier);
  ASSERT_NE(Find(plan, "listen_addresses"), nullptr);
  EXPECT_EQ(*Find(plan, "listen_addresses"),
            (SettingChange{"listen_addresses", "*", "10.0.0.2", true}));
  ASSERT_NE(Find(plan, "wal_sender_timeout"), nullptr);
  EXPECT_FALSE(Find(plan, "wal_sender_timeout")->needs_restart);
  EXPECT_EQ(Find(plan, "port"), nullptr) << "it stays as it is";
  EXPECT_EQ(Find(plan, "wal_level"), nullptr);
}

TEST(AdoptionPlan, ShowsNoPasswordOfAConninfo) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/false);
  Set(world, "primary_conninfo", "host=10.0.0.1 password=hush");
  const AdoptionPlan plan = PlanAdoption(world);
  EXPECT_EQ(plan.part, AdoptionPart::kStandby);
  ASSERT_NE(Find(plan, "primary_conninfo"), nullptr);
  EXPECT_EQ(Find(plan, "primary_conninfo")->from, "(not shown)");
  Set(world, "primary_conninfo", "");
  EXPECT_EQ(Find(PlanAdoption(world), "primary_conninfo")->from, "");
}

TEST(AdoptionPlan, CutsLongValues) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/true);
  Set(world, "log_line_prefix", std::string(1'000, 'x'));
  const AdoptionPlan plan = PlanAdoption(world);
  EXPECT_EQ(Find(plan, "log_line_prefix")->from.size(), 203U);
}

TEST(AdoptionPlan, ListsTheRulesThatNoLongerApply) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/true);
  world.observation.existing->hba = {"local all \"postgres\" peer", "host all all 10.0.0.0/8 md5"};
  EXPECT_THAT(PlanAdoption(world).hba, ElementsAre("host all all 10.0.0.0/8 md5"));
  world.observation.existing->hba.assign(1'000, "host all all 10.0.0.0/8 md5");
  EXPECT_EQ(PlanAdoption(world).hba.size(), 200U);
}

TEST(AdoptionPlan, TellsOfRolesAndDatabases) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/true);
  world.desired->spec.roles = {{"app", true, {}}, {"owner", false, {}}, {"new", true, {}}};
  world.desired->spec.databases = {{"orders", "owner", {}}, {"stock", "", {}}};
  world.observation.existing->roles = {"postgres", "app", "owner"};
  world.observation.existing->databases = {"orders"};
  EXPECT_THAT(
      PlanAdoption(world).notes,
      ElementsAre("role pgmahout_replication is created",
                  HasSubstr("role app gets a new, generated password"), "role new is created",
                  HasSubstr("database orders is there"), "database stock is created"));
}

TEST(AdoptionPlan, TellsOfWhatIsLeftOver) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/true);
  ExistingServer& server = *world.observation.existing;
  server.physical_slots = {"pgmahout_db3", "old_standby"};
  server.tablespaces = {"fast (/ssd/fast)"};
  Set(world, "data_checksums", "off");
  EXPECT_THAT(PlanAdoption(world).notes,
              ElementsAre(HasSubstr("slot old_standby stays"), HasSubstr("tablespace fast (/ssd"),
                          HasSubstr("copied anew instead of rewound")));
  Set(world, "wal_log_hints", "on");
  EXPECT_THAT(PlanAdoption(world).notes, Not(Contains(HasSubstr("rewound"))));
  server.settings.erase("data_checksums");
  EXPECT_THAT(PlanAdoption(world).notes, Not(Contains(HasSubstr("rewound"))));
}

TEST(AdoptionPlan, TellsWhichSettingsOnlyThisServerHas) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/true);
  auto& settings = world.observation.existing->settings;
  settings["shared_buffers"] = {"4GB", true, true, false};
  settings["lc_messages"] = {"C", false, true, false};
  settings["log_checkpoints"] = {"on", false, true, false};  // ours too
  settings["work_mem"] = {"4MB", false, false, false};       // nobody chose it
  settings["ldap.password"] = {"hush", false, true, false};
  settings["x.secret"] = {"hush", false, true, false};
  settings["x.conninfo"] = {"hush", false, true, false};
  settings["x.key"] = {"hush", false, true, false};
  EXPECT_THAT(PlanAdoption(world).notes,
              ElementsAre(AllOf(HasSubstr("shared_buffers: 4GB"), Not(HasSubstr("lc_messages")),
                                Not(HasSubstr("work_mem")), Not(HasSubstr("log_checkpoints")),
                                Not(HasSubstr("hush")))));
  for (int i = 0; i < 300; ++i) {
    settings[absl::StrCat("x.number_", i)] = {"1", false, true, false};
  }
  EXPECT_LE(PlanAdoption(world).notes.front().size(), 3'003U);
}

TEST(AdoptionPlan, ANodeWithNothingIsCopied) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/false);
  world.observation.existing = ExistingServer{};
  const AdoptionPlan plan = PlanAdoption(world);
  EXPECT_EQ(plan.part, AdoptionPart::kCopy);
  EXPECT_EQ(plan, AdoptionPlan{});
}

TEST(AdoptionPlan, SaysAsMuchAsItKnows) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/true);
  world.observation.existing = ExistingServer{};
  world.observation.existing->data_directory = "/srv/pg/14";
  const AdoptionPlan plan = PlanAdoption(world);
  EXPECT_EQ(plan.server, "PostgreSQL ? in /srv/pg/14");
  EXPECT_THAT(plan.notes, IsEmpty());
}

TEST(AdoptionPlan, IsReportedWhenAskedFor) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/true);
  EXPECT_EQ(Decided(world), "release: wait");
  EXPECT_TRUE(ReportOf(world, "", "").adoption.has_value());
  world.observation.existing.reset();
  EXPECT_FALSE(ReportOf(world, "", "").adoption.has_value()) << "it has not looked yet";
  World told = WithExisting(Assignment::kAdopt, /*as_primary=*/true);
  EXPECT_FALSE(ReportOf(told, "", "").adoption.has_value());
}

TEST(SameValue, KnowsUnitsAndBooleans) {
  EXPECT_TRUE(SameValue("256MB", "262144kB"));
  EXPECT_TRUE(SameValue("3s", "3000ms"));
  EXPECT_TRUE(SameValue("on", "true"));
  EXPECT_TRUE(SameValue("YES", "on"));
  EXPECT_TRUE(SameValue("off", "no"));
  EXPECT_TRUE(SameValue("false", "off"));
  EXPECT_TRUE(SameValue("ANY 1 (a)", "ANY 1 (a)"));
  EXPECT_FALSE(SameValue("256MB", "256kB"));
  EXPECT_FALSE(SameValue("3s", "on"));
  EXPECT_FALSE(SameValue("3 apples", "3"));
  EXPECT_FALSE(SameValue("s", "ms")) << "units alone are no numbers";
}

TEST(Adopt, MakesTheRunningPrimaryOursWhileALeaseLasts) {
  World world = WithExisting(Assignment::kAdopt, /*as_primary=*/true);
  EXPECT_EQ(Decided(world), "adopt: wait") << "without a lease it would be fenced";
  GrantLease(world, Duration{10'000});
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kAdopt);
  EXPECT_EQ(step.existing, "/srv/pg/14");
  EXPECT_TRUE(step.memory.adopted);
  EXPECT_EQ(step.memory.data_number, 1U);
}

TEST(Adopt, NeverInitializes) {
  World world = WithExisting(Assignment::kAdopt, /*as_primary=*/true);
  GrantLease(world, Duration{10'000});
  world.observation.existing = ExistingServer{};
  world.observation.existing->place = "/etc/postgresql/14/main";
  EXPECT_EQ(Decided(world), "adopt: wait");
  EXPECT_TRUE(Next(world).blocked);
  EXPECT_THAT(Next(world).reason, HasSubstr("looked in /etc/postgresql/14/main"));
  world.observation.existing.reset();
  EXPECT_EQ(Decided(world), "adopt: wait") << "it has not looked yet";
  EXPECT_FALSE(Next(world).blocked);
}

TEST(Adopt, TakesARunningStandbyWithoutALease) {
  World world = WithExisting(Assignment::kStandby, /*as_primary=*/false);
  world.desired->system_identifier = world.memory.system_identifier = kSystemIdentifier;
  EXPECT_EQ(Decided(world), "adopt: adopt");
}

TEST(Adopt, CopiesWhereNothingRuns) {
  World world = WithExisting(Assignment::kStandby, /*as_primary=*/false);
  world.observation.existing = ExistingServer{};
  EXPECT_EQ(Decided(world), "be-standby: base-backup");
}

TEST(Adopt, LeavesAStandbyOfSomebodyElseAlone) {
  World world = WithExisting(Assignment::kStandby, /*as_primary=*/false);
  world.desired->system_identifier = world.memory.system_identifier = kSystemIdentifier + 1;
  EXPECT_EQ(Decided(world), "adopt: wait");
  EXPECT_TRUE(Next(world).blocked);
  EXPECT_THAT(Next(world).reason, HasSubstr("they are left untouched"));
}

TEST(Adopt, IsOverOnceItIsOurs) {
  World world = RunningPrimary();
  world.desired->assignment = Assignment::kAdopt;
  world.desired->adopt = true;
  world.memory.adopted = true;
  EXPECT_FALSE(WantsExisting(world.desired, world.memory, world.observation));
  EXPECT_EQ(Decided(world), "be-primary: wait");
  world.observation.existing = GoodServer();
  EXPECT_EQ(Decided(world), "adopt: wait") << "that was seen before it was ours";
  EXPECT_FALSE(Next(world).blocked);
}

TEST(Adopt, DoesNotConcernACopy) {
  World world = RunningStandby();
  world.desired->adopt = true;
  Configure(world, /*detached=*/false);
  EXPECT_FALSE(WantsExisting(world.desired, world.memory, world.observation));
  EXPECT_EQ(Decided(world), "be-standby: wait");
}

TEST(Adopt, DoesNotConcernAClusterThatPgmahoutMade) {
  World world = WithExisting(Assignment::kStandby, /*as_primary=*/false);
  world.desired->adopt = false;
  EXPECT_FALSE(WantsExisting(world.desired, world.memory, world.observation));
  EXPECT_EQ(Decided(world), "be-standby: base-backup");
}

TEST(Adopt, DoesNotConcernWhoVotes) {
  World world = WithExisting(Assignment::kPrepare, /*as_primary=*/false);
  EXPECT_FALSE(WantsExisting(world.desired, world.memory, world.observation));
  EXPECT_EQ(Decided(world), "vote: wait");
  world.desired->assignment = Assignment::kPrimary;
  EXPECT_EQ(Decided(world), "be-primary: wait");
}

TEST(Adopt, LooksForAServerWhenAskedOrTold) {
  World world = WithExisting(Assignment::kPreview, /*as_primary=*/true);
  EXPECT_TRUE(WantsExisting(world.desired, world.memory, world.observation));
  world.desired->assignment = Assignment::kAdopt;
  EXPECT_TRUE(WantsExisting(world.desired, world.memory, world.observation));
  world.desired->assignment = Assignment::kStandby;
  EXPECT_TRUE(WantsExisting(world.desired, world.memory, world.observation));
  EXPECT_FALSE(WantsExisting(std::nullopt, world.memory, world.observation));
}

TEST(Adopt, TakesBackWhatWasReleased) {
  World world = RunningPrimary();
  world.desired->assignment = Assignment::kAdopt;
  world.desired->adopt = true;
  world.desired->spec.postgres_major = 14;
  world.memory.data_number = 3;
  world.observation.data.config = RenderReleased(world.observation.data.config);
  world.observation.existing = GoodServer();
  const Step step = Next(world);
  EXPECT_EQ(step.kind, StepKind::kAdopt);
  EXPECT_EQ(step.memory.data_number, 3U);
}

// What is stored again is what differs.
TEST(Adopted, MakesMemoryAnother) {
  Memory memory;
  memory.adopted = true;
  EXPECT_FALSE(memory == Memory());
}

}  // namespace
}  // namespace pgmahout::agent
