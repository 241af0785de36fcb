// SPDX-License-Identifier: Apache-2.0
// pgmahout.conf: what is in it, that nasty values stay values, and that its id tells it apart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/pg/names.h"
#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string ConfigOf(const World& world, bool detached = false) {
  return RenderConfig(*world.desired, world.context, detached);
}

// The value of the last line that sets `name`, as written.
std::string LineOf(const std::string& config, const std::string& name) {
  const size_t start = config.rfind(absl::StrCat("\n", name, " = "));
  return start == std::string::npos
             ? ""
             : config.substr(start + 1, config.find('\n', start + 1) - start - 1);
}

TEST(Config, StandbyFollowsItsUpstreamUnderItsOwnName) {
  const std::string line = LineOf(ConfigOf(Told(Assignment::kStandby)), "primary_conninfo");
  EXPECT_THAT(line, HasSubstr("host=''10.0.0.1''"));
  EXPECT_THAT(line, HasSubstr("application_name=''db2''"));
  EXPECT_THAT(line, HasSubstr("passfile=''/var/lib/pgmahout/passfile''"));
  EXPECT_THAT(line, HasSubstr("sslmode=''verify-ca''"));
  EXPECT_EQ(LineOf(ConfigOf(Told(Assignment::kStandby)), "primary_slot_name"),
            "primary_slot_name = 'pgmahout_db2'");
}

TEST(Config, NamesTheDataDirectoryWhereItIsKeptElsewhere) {
  World world = Told(Assignment::kStandby);
  EXPECT_EQ(LineOf(ConfigOf(world), "data_directory"), "");
  world.context.data_directory = "/var/lib/postgresql/14/main/pgdata.2";
  EXPECT_EQ(LineOf(ConfigOf(world), "data_directory"),
            "data_directory = '/var/lib/postgresql/14/main/pgdata.2'");
}

TEST(Config, LeavesTheLogToWhoeverStartsTheServer) {
  World world = Told(Assignment::kStandby);
  EXPECT_EQ(LineOf(ConfigOf(world), "log_directory"), "log_directory = '/var/log/pgmahout'");
  EXPECT_EQ(LineOf(ConfigOf(world), "logging_collector"), "logging_collector = 'on'");
  world.context.log_directory.clear();
  EXPECT_EQ(LineOf(ConfigOf(world), "log_directory"), "");
  EXPECT_EQ(LineOf(ConfigOf(world), "logging_collector"), "logging_collector = 'off'");
}

TEST(Config, HoldsNoPassword) {
  EXPECT_THAT(ConfigOf(Told(Assignment::kStandby)), Not(HasSubstr("secret")));
}

// Each look into the archive would be added to the outage.
TEST(Config, NobodyLooksIntoTheArchiveWhileThePrimaryChanges) {
  World world = Told(Assignment::kStandby);
  world.desired->spec.archive_directory = "/archive";
  world.desired->may_rebuild = false;
  EXPECT_EQ(LineOf(ConfigOf(world), "restore_command"), "restore_command = ''");
  EXPECT_THAT(LineOf(ConfigOf(world), "primary_conninfo"), HasSubstr("10.0.0.1"));
  EXPECT_THAT(LineOf(ConfigOf(world), "archive_command"), HasSubstr("archive-push"));
}

TEST(Config, DetachedReceivesFromNobody) {
  World world = Told(Assignment::kStandby);
  world.desired->spec.archive_directory = "/archive";
  EXPECT_THAT(LineOf(ConfigOf(world), "restore_command"), HasSubstr("archive-get"));
  const std::string detached = ConfigOf(world, /*detached=*/true);
  EXPECT_EQ(LineOf(detached, "primary_conninfo"), "primary_conninfo = ''");
  EXPECT_EQ(LineOf(detached, "restore_command"), "restore_command = ''");
  EXPECT_THAT(LineOf(detached, "archive_command"), HasSubstr("archive-push"));
}

TEST(Config, PrimaryHasNoUpstream) {
  EXPECT_EQ(LineOf(ConfigOf(Told(Assignment::kPrimary)), "primary_conninfo"),
            "primary_conninfo = ''");
}

TEST(Config, NastyParameterValuesStayValues) {
  World world = Told(Assignment::kPrimary);
  world.desired->spec.parameters = {{"a.quote", "it's"},
                                    {"b.backslash", "C:\\temp"},
                                    {"c.newline", "x\nfsync = off"},
                                    {"d.both", "\\'\r"}};
  const std::string config = ConfigOf(world);
  EXPECT_EQ(LineOf(config, "a.quote"), "a.quote = 'it''s'");
  EXPECT_EQ(LineOf(config, "b.backslash"), "b.backslash = 'C:\\\\temp'");
  EXPECT_EQ(LineOf(config, "c.newline"), "c.newline = 'x\\nfsync = off'");
  EXPECT_EQ(LineOf(config, "d.both"), "d.both = '\\\\''\\r'");
  EXPECT_EQ(LineOf(config, "fsync"), "fsync = 'on'");
}

TEST(Config, OursComeAfterTheUsersAndWin) {
  World world = Told(Assignment::kPrimary);
  world.desired->spec.parameters = {{"fsync", "off"}, {"max_wal_senders", "50"}};
  EXPECT_EQ(LineOf(ConfigOf(world), "fsync"), "fsync = 'on'");
  EXPECT_EQ(LineOf(ConfigOf(world), "max_wal_senders"), "max_wal_senders = '50'");
}

// A shell runs archive_command, and PostgreSQL expands % in it before.
TEST(Config, ArchivePathIsQuotedForTheShellAndForPercent) {
  World world = Told(Assignment::kPrimary);
  world.desired->spec.archive_directory = "/archive/100% 'sure'; rm -rf $HOME";
  EXPECT_EQ(LineOf(ConfigOf(world), "archive_command"),
            "archive_command = '''/usr/bin/pgmahout-wal'' archive-push --directory "
            "''/archive/100%% ''\\\\''''sure''\\\\''''; rm -rf $HOME'' \"%p\"'");
}

TEST(Config, WithoutAnArchiveNothingIsArchived) {
  const std::string config = ConfigOf(Told(Assignment::kPrimary));
  EXPECT_EQ(LineOf(config, "archive_mode"), "archive_mode = 'off'");
  EXPECT_EQ(LineOf(config, "archive_command"), "archive_command = ''");
}

TEST(Config, LeavesRoomForClones) {
  World world = Told(Assignment::kPrimary);
  for (int i = 0; i < 20; ++i) {
    world.desired->members.push_back(Member{absl::StrCat("x", i), "10.1.0.1", 5432});
  }
  EXPECT_EQ(LineOf(ConfigOf(world), "max_wal_senders"), "max_wal_senders = '48'");
  EXPECT_EQ(LineOf(ConfigOf(Told(Assignment::kPrimary)), "max_wal_senders"),
            "max_wal_senders = '10'");
}

TEST(ConfigId, IsInTheLastLineAndChangesWithTheContent) {
  World world = Told(Assignment::kPrimary);
  const std::string config = ConfigOf(world);
  const std::string id = ConfigIdOf(config);
  EXPECT_EQ(id.size(), 16U);
  EXPECT_THAT(config, testing::EndsWith(absl::StrCat("pgmahout.config_id = '", id, "'\n")));
  EXPECT_EQ(ConfigIdOf(ConfigOf(world)), id) << "the same text for the same wish";
  world.desired->quorum = Quorum{};
  EXPECT_NE(ConfigIdOf(ConfigOf(world)), id);
  EXPECT_NE(ConfigIdOf(ConfigOf(Told(Assignment::kStandby), true)),
            ConfigIdOf(ConfigOf(Told(Assignment::kStandby), false)));
  EXPECT_EQ(ConfigIdOf("port = 5432\n"), "");
}

TEST(ConfigId, CannotBeForgedByAParameter) {
  World world = Told(Assignment::kPrimary);
  world.desired->spec.parameters["x.y"] = "pgmahout.config_id = '0000000000000000'";
  const std::string id = ConfigIdOf(ConfigOf(world));
  EXPECT_NE(id, "0000000000000000");
}

TEST(SameUserParameters, LooksAtTheSpecsPartOnly) {
  World world = Told(Assignment::kPrimary);
  const std::string config = ConfigOf(world);
  world.desired->quorum = Quorum{};
  EXPECT_TRUE(SameUserParameters(config, ConfigOf(world)));
  world.desired->spec.parameters["work_mem"] = "64MB";
  EXPECT_FALSE(SameUserParameters(config, ConfigOf(world)));
  EXPECT_FALSE(SameUserParameters("", "")) << "no file yet: it must be checked";
  EXPECT_FALSE(SameUserParameters(config, ""));
}

TEST(SynchronousStandbyNames, AreQuotedNames) {
  EXPECT_EQ(RenderSynchronousStandbyNames(Quorum{1, {"db1", "db3"}}), "ANY 1 (\"db1\", \"db3\")");
  EXPECT_EQ(RenderSynchronousStandbyNames(Quorum{}), "");
  EXPECT_EQ(RenderSynchronousStandbyNames(Quorum{0, {"db1"}}), "");
}

TEST(RolesId, ChangesWithEveryPart) {
  DesiredState desired = *Told(Assignment::kPrimary).desired;
  desired.spec.databases = {{"orders", "owner", {"pgcrypto"}}};
  desired.spec.roles = {{"app", true, {{"orders", "readwrite"}}}};
  desired.credentials = {{"app", "SCRAM-SHA-256$x"}};
  const std::string id = RolesIdOf(desired);
  const auto differs = [&](auto change) {
    DesiredState other = desired;
    change(other);
    return RolesIdOf(other) != id;
  };
  EXPECT_TRUE(differs([](DesiredState& d) { d.replication_password = "other"; }));
  EXPECT_TRUE(differs([](DesiredState& d) { d.spec.databases[0].owner = "other"; }));
  EXPECT_TRUE(differs([](DesiredState& d) { d.spec.databases[0].extensions.clear(); }));
  EXPECT_TRUE(differs([](DesiredState& d) { d.spec.roles[0].login = false; }));
  EXPECT_TRUE(differs([](DesiredState& d) { d.spec.roles[0].access[0].preset = "readonly"; }));
  EXPECT_TRUE(differs([](DesiredState& d) { d.credentials[0].verifier = "other"; }));
  EXPECT_FALSE(differs([](DesiredState& d) { d.epoch += 1; }));
  EXPECT_THAT(id, Not(HasSubstr("secret")));
}

TEST(OwnedParameters, CoverEverythingThatSafetyRestsOn) {
  for (const char* name :
       {"synchronous_standby_names", "primary_conninfo", "primary_slot_name", "restore_command",
        "archive_command", "archive_mode", "fsync", "full_page_writes", "port", "listen_addresses",
        "wal_level", "hot_standby", "recovery_target_timeline", "ssl_ca_file"}) {
    EXPECT_THAT(OwnedParameters(), testing::Contains(name));
  }
  for (const std::string& name : OwnedParameters()) {
    EXPECT_TRUE(CheckParameterName(name).ok()) << name;
  }
}

TEST(SettingsOf, ReadsWhatRenderConfigWrites) {
  World world = Running(Assignment::kStandby, /*standby=*/true);
  world.desired->spec.parameters = {{"log_line_prefix", "it's \\ %m"}, {"max_wal_senders", "33"}};
  const auto settings = SettingsOf(RenderConfig(*world.desired, world.context, /*detached=*/false));
  EXPECT_EQ(settings.at("log_line_prefix"), "it's \\ %m");
  EXPECT_EQ(settings.at("max_wal_senders"), "33") << "the spec's comes after the default";
  EXPECT_EQ(settings.at("wal_level"), "replica");
  EXPECT_EQ(SettingsOf("# port = '1'\nport\nx = y\n").size(), 0U);
}

// libpq would take what it finds at the home of whoever started that server.
TEST(RenderConfig, AnAdoptedStandbyShowsItsOwnCertificate) {
  World world = Running(Assignment::kStandby, /*standby=*/true);
  world.context.certificate_file = "/var/lib/pgmahout/server.crt";
  const auto conninfo = [&world] {
    return SettingsOf(RenderConfig(*world.desired, world.context, /*detached=*/false))
        .at("primary_conninfo");
  };
  EXPECT_EQ(conninfo().find("sslcert"), std::string::npos);
  world.desired->adopt = true;
  EXPECT_NE(conninfo().find("sslcert='/var/lib/pgmahout/server.crt'"), std::string::npos);
}

}  // namespace
}  // namespace pgmahout::agent
