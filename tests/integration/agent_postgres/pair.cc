// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/agent_postgres/pair.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"

namespace pgmahout::agent {

namespace fs = std::filesystem;

void Pair::SetUp() {
  const std::string archive = site.path() + "/archive";
  for (Node* node : {&db1, &db2}) {
    node->desired.members = {db1.AsMember(), db2.AsMember()};
    node->desired.spec.archive_directory = archive;
  }
  fs::create_directory(archive);
  Follow(db2, db1);
  ASSERT_NO_FATAL_FAILURE(db1.Bootstrap());
  Step roles = db1.NewStep(StepKind::kEnsureRoles);
  roles.roles_id = "roles";
  ASSERT_TRUE(db1.Run(roles).ok());
  Step slots = db1.NewStep(StepKind::kEnsureSlots);
  slots.slots.create = {"pgmahout_db2"};
  ASSERT_TRUE(db1.Run(slots).ok());
  db1.Sql("CREATE TABLE public.marker (text text)");
}

void Pair::Follow(Node& node, const Node& upstream) {
  node.desired.assignment = Assignment::kStandby;
  node.desired.upstream = upstream.AsMember().node;
}

Step Pair::BackupStep() {
  Step step = db2.NewDataStep(StepKind::kBaseBackup);
  step.upstream = db1.AsMember();
  step.slot = "pgmahout_db2";
  return step;
}

void Pair::MakeStandby() {
  const absl::Status copied = db2.Run(BackupStep());
  ASSERT_TRUE(copied.ok()) << FormatError(copied);
  ASSERT_NO_FATAL_FAILURE(StartStandby(db2));
}

void Pair::LeaveABackup() {
  const pid_t agent = fork();
  if (agent == 0) {
    db2.on_progress = [this] {
      if (FileExists(BackupJob())) {
        _exit(0);
      }
    };
    (void)db2.Run(BackupStep());
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(agent, &status, 0), agent);
  ASSERT_EQ(status, 0);
}

void Pair::LeaveABackupThatEnds() {
  ASSERT_NO_FATAL_FAILURE(LeaveABackup());
  ASSERT_TRUE(Eventually([&] { return absl::EndsWith(Slurp(BackupJob()), "\n0\n"); }));
  const std::string mark = db2.DataRoot() + "/pgdata.1.partial/of-the-first-agent";
  ASSERT_TRUE(WriteFileAtomically(mark, "", 0600).ok());
}

void Pair::StartStandby(Node& node) {
  ASSERT_TRUE(node.Look().data.standby_signal);
  const absl::Status configured = node.Run(node.ConfigureStep());
  ASSERT_TRUE(configured.ok()) << FormatError(configured);
  const absl::Status started = node.Run(StepKind::kStart);
  ASSERT_TRUE(started.ok()) << FormatError(started);
  const Observation seen = node.LookUntil(
      [](const Observation& now) { return now.sql.has_value() && now.sql->receiver_streaming; });
  ASSERT_TRUE(seen.sql.has_value() && seen.sql->receiver_streaming);
}

void Pair::ExpectArrival(Node& from, Node& to, const std::string& text) {
  from.Sql("INSERT INTO public.marker VALUES ('" + text + "')");
  EXPECT_TRUE(Eventually([&] {
    return to.Value("SELECT count(*) FROM public.marker WHERE text = '" + text + "'") == "1";
  })) << text;
}

void Pair::SwitchOverToTimelineFour() {
  ASSERT_TRUE(db1.Run(StepKind::kStopFast).ok());
  ASSERT_TRUE(db2.Run(db2.ConfigureStep(/*detached=*/true)).ok());
  Step promotion = db2.NewStep(StepKind::kPromote);
  promotion.new_timeline = 4;
  const absl::Status promoted = db2.Run(promotion);
  ASSERT_TRUE(promoted.ok()) << FormatError(promoted);
  ASSERT_EQ(db2.Value("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"), "00000004");
}

void Pair::FollowOnTimelineFour() {
  Step slots = db2.NewStep(StepKind::kEnsureSlots);
  slots.slots.create = {"pgmahout_db1"};
  ASSERT_TRUE(db2.Run(slots).ok());
  Follow(db1, db2);
  const Observation primary =
      db2.LookUntil([](const Observation& now) { return now.sql.has_value(); });
  EXPECT_EQ(primary.sql->parent_timeline, 1u);
  db1.desired.fork_lsn = primary.sql->fork_lsn;
  db1.desired.upstream_timeline = 4;
  db1.desired.parent_timeline = 1;
  ASSERT_TRUE(db1.Run(StepKind::kMarkStandby).ok());
  ASSERT_NO_FATAL_FAILURE(StartStandby(db1));
  ExpectArrival(db2, db1, "after the switchover");
}

}  // namespace pgmahout::agent
