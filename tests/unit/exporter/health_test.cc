// SPDX-License-Identifier: Apache-2.0
// What load balancers are told: the meanings of Patroni's health paths.
#include "agent/exporter/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "tests/unit/exporter/snapshots.h"

namespace pgmahout::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

// `target` may have a query: "/replica?lag=1MB".
HttpResponse Answer(const std::string& node,
                    const std::string& target,
                    const std::optional<Snapshot>& snapshot,
                    Duration age = Duration{1'000}) {
  const size_t mark = target.find('?');
  const HttpRequest request{"GET", target.substr(0, mark),
                            mark == std::string::npos ? "" : target.substr(mark + 1)};
  return AnswerHealth(node, request, snapshot, kNow - age, kNow);
}

int StatusOf(const std::string& target,
             const std::optional<Snapshot>& snapshot,
             const std::string& node = "db2") {
  return Answer(node, target, snapshot).status;
}

const std::vector<std::string> kPrimaryPaths = {"/", "/primary", "/master", "/leader",
                                                "/read-write"};
const std::vector<std::string> kReplicaPaths = {"/replica", "/standby"};
const std::vector<std::string> kSynchronousPaths = {"/synchronous", "/sync", "/quorum"};
const std::vector<std::string> kAsynchronousPaths = {"/asynchronous", "/async"};
const std::vector<std::string> kReadPaths = {"/read-only", "/read-only-sync", "/read-only-quorum"};
const std::vector<std::string> kServerPaths = {"/health", "/readiness", "/liveness"};

void ExpectAll(const std::vector<std::string>& paths,
               const std::optional<Snapshot>& snapshot,
               int status) {
  for (const std::string& path : paths) {
    EXPECT_EQ(StatusOf(path, snapshot), status) << path;
  }
}

TEST(Health, APrimaryTakesWritesAndReads) {
  const Snapshot primary = PrimarySnapshot();
  ExpectAll(kPrimaryPaths, primary, 200);
  ExpectAll(kReadPaths, primary, 200);
  ExpectAll(kServerPaths, primary, 200);
  ExpectAll(kReplicaPaths, primary, 503);
  ExpectAll(kSynchronousPaths, primary, 503);
  ExpectAll(kAsynchronousPaths, primary, 503);
}

TEST(Health, AStandbyTakesReadsOnly) {
  const Snapshot standby = StandbySnapshot();
  ExpectAll(kPrimaryPaths, standby, 503);
  ExpectAll(kReplicaPaths, standby, 200);
  ExpectAll(kReadPaths, standby, 200);
  ExpectAll(kServerPaths, standby, 200);
}

TEST(Health, AStandbyIsSynchronousIfItIsNamed) {
  Snapshot standby = StandbySnapshot();
  ExpectAll(kSynchronousPaths, standby, 200);
  ExpectAll(kAsynchronousPaths, standby, 503);
  for (const char* names : {"", "ANY 1 (\"db1\", \"db3\")", "ANY 1 (\"db22\")", "ANY 1 (db)"}) {
    standby.observation.sql->synchronous_standby_names = names;
    ExpectAll(kSynchronousPaths, standby, 503);
    ExpectAll(kAsynchronousPaths, standby, 200);
  }
  standby.observation.sql->synchronous_standby_names = "ANY 1 (db3, db2)";
  ExpectAll(kSynchronousPaths, standby, 200);
}

// Each of these is a server that may not, or no longer, acknowledge writes.
TEST(Health, AServerThatMayNotWriteIsNoPrimary) {
  Snapshot no_lease = PrimarySnapshot();
  no_lease.lease.reset();
  Snapshot lease_is_over = PrimarySnapshot();
  lease_is_over.lease->deadline = kNow;
  Snapshot lease_of_older_epoch = PrimarySnapshot();
  lease_of_older_epoch.lease->epoch = 3;
  Snapshot writable_at_older_epoch = PrimarySnapshot();
  writable_at_older_epoch.report.writable_epoch = 3;
  Snapshot never_writable = PrimarySnapshot();
  never_writable.report.writable_epoch = 0;
  never_writable.report.epoch = 0;
  never_writable.lease->epoch = 0;
  for (const Snapshot& snapshot :
       {no_lease, lease_is_over, lease_of_older_epoch, writable_at_older_epoch, never_writable}) {
    ExpectAll(kPrimaryPaths, snapshot, 503);
    ExpectAll(kReadPaths, snapshot, 503);
    EXPECT_EQ(StatusOf("/health", snapshot), 200);
  }
}

TEST(Health, AServerThatDoesNotAnswerTakesNothing) {
  for (const ServerState state :
       {ServerState::kAbsent, ServerState::kStopped, ServerState::kStarting, ServerState::kStopping,
        ServerState::kHung}) {
    for (Snapshot snapshot : {PrimarySnapshot(), StandbySnapshot()}) {
      snapshot.report.server = state;
      ExpectAll(kPrimaryPaths, snapshot, 503);
      ExpectAll(kReplicaPaths, snapshot, 503);
      ExpectAll(kReadPaths, snapshot, 503);
      ExpectAll({"/health", "/readiness"}, snapshot, 503);
      EXPECT_EQ(StatusOf("/liveness", snapshot), 200) << "the agent lives";
    }
  }
}

TEST(Health, ASnapshotFromADeadLoopSpeaksForNobody) {
  for (const Snapshot& snapshot : {PrimarySnapshot(), StandbySnapshot()}) {
    for (const char* path :
         {"/primary", "/replica", "/read-only", "/health", "/liveness", "/readiness"}) {
      EXPECT_EQ(Answer("db2", path, snapshot, Duration{5'000}).status, 503) << path;
      EXPECT_EQ(Answer("db2", path, std::nullopt).status, 503) << path;
    }
    const Json body = Json::parse(Answer("db2", "/patroni", snapshot, Duration{5'000}).body);
    EXPECT_EQ(body["state"], "unknown");
    EXPECT_EQ(body["role"], "uninitialized");
  }
  EXPECT_EQ(Answer("db1", "/primary", PrimarySnapshot(), Duration{4'999}).status, 200);
}

TEST(Health, LagIsWhatWasReceivedAndNotReplayed) {
  const Snapshot standby = StandbySnapshot();  // 1,000,000 bytes behind
  for (const char* path : {"/replica", "/read-only", "/sync"}) {
    EXPECT_EQ(StatusOf(std::string(path) + "?lag=1000000", standby), 200) << path;
    EXPECT_EQ(StatusOf(std::string(path) + "?lag=999999", standby), 503) << path;
    EXPECT_EQ(StatusOf(std::string(path) + "?lag=1MB", standby), 200) << path;
    EXPECT_EQ(StatusOf(std::string(path) + "?lag=900kB", standby), 503) << path;
    EXPECT_EQ(StatusOf(std::string(path) + "?lag=0", standby), 503) << path;
  }
  EXPECT_EQ(StatusOf("/read-only?lag=0", PrimarySnapshot()), 200);
}

TEST(Health, ALagThatCannotBeReadIsTold) {
  for (const char* lag : {"1mile", "-1", "MB", "1.5MB", "+1"}) {
    const HttpResponse response =
        Answer("db2", std::string("/replica?lag=") + lag, StandbySnapshot());
    EXPECT_EQ(response.status, 400) << lag;
    EXPECT_THAT(response.body, HasSubstr("lag"));
  }
}

TEST(Health, ReadsGoOnWhileNoStandbyStreams) {
  Snapshot standby = StandbySnapshot();
  standby.report.receiver_streaming = false;
  standby.observation.not_streaming_since = kNow - Duration{60'000};
  ExpectAll({"/replica", "/read-only"}, standby, 200);
  EXPECT_EQ(StatusOf("/replica?replication_state=streaming", standby), 503);
  EXPECT_EQ(StatusOf("/replica?replication_state=streaming", StandbySnapshot()), 200);
}

TEST(Health, LagIsUnknownLongAfterTheLastStreaming) {
  Snapshot standby = StandbySnapshot();
  standby.report.receiver_streaming = false;
  standby.observation.not_streaming_since = kNow - Duration{9'999};
  EXPECT_EQ(StatusOf("/replica?lag=16MB", standby), 200);
  standby.observation.not_streaming_since = kNow - Duration{10'000};
  EXPECT_EQ(StatusOf("/replica?lag=16MB", standby), 503);
}

TEST(Health, LagIsUnknownBeforeTheFirstStreamingSinceTheStart) {
  Snapshot standby = StandbySnapshot();
  standby.report.receiver_streaming = false;
  standby.report.receive_lsn = Lsn{};
  standby.observation.not_streaming_since = kNow;
  EXPECT_EQ(StatusOf("/replica?lag=1GB", standby), 503);
}

TEST(Health, AStandbyIsReadyOnceItHasCaughtUp) {
  Snapshot standby = StandbySnapshot();
  EXPECT_EQ(StatusOf("/readiness", standby), 200);
  EXPECT_EQ(StatusOf("/readiness?lag=10kB", standby), 503);
  standby.report.replay_lsn = Lsn{1'000'000};
  EXPECT_EQ(StatusOf("/readiness", standby), 503);
  EXPECT_EQ(StatusOf("/readiness?lag=16MB", standby), 200);
  EXPECT_EQ(StatusOf("/readiness?mode=write", standby), 200);
  standby.report.receiver_streaming = false;
  EXPECT_EQ(StatusOf("/readiness?mode=write", standby), 503);
}

TEST(Health, NoNodeHasTags) {
  EXPECT_EQ(StatusOf("/replica?tag_zone=a", StandbySnapshot()), 503);
  EXPECT_EQ(StatusOf("/primary?tag_zone=a", PrimarySnapshot()), 200) << "Patroni ignores it there";
}

TEST(Health, ThereIsNoStandbyLeader) {
  ExpectAll({"/standby-leader", "/standby_leader"}, PrimarySnapshot(), 503);
}

TEST(Health, OtherPathsDoNotExist) {
  for (const char* path : {"/primary/", "/Primary", "/restart", "/config", ""}) {
    EXPECT_EQ(StatusOf(path, PrimarySnapshot()), 404) << path;
  }
}

TEST(Health, TheBodyDescribesAPrimary) {
  const HttpResponse response = Answer("db1", "/patroni", PrimarySnapshot());
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(Json::parse(response.body), Json::parse(R"({
    "state": "running", "role": "primary", "server_version": 140023, "timeline": 3,
    "xlog": {"location": 10000000},
    "replication": [
      {"application_name": "db2", "state": "streaming", "sync_state": "quorum"},
      {"application_name": "db3", "state": "catchup", "sync_state": "async"}],
    "database_system_identifier": "7268616322854375442",
    "patroni": {"version": "0.1.0", "scope": "orders", "name": "db1"}})"));
}

TEST(Health, TheBodyDescribesAStandby) {
  Snapshot standby = StandbySnapshot();
  standby.report.pending_restart = {"max_connections"};
  EXPECT_EQ(Json::parse(Answer("db2", "/primary", standby).body), Json::parse(R"({
    "state": "running", "role": "replica", "server_version": 140023, "timeline": 3,
    "xlog": {"received_location": 10000000, "replayed_location": 9000000, "paused": false},
    "replication_state": "streaming", "pending_restart": true,
    "database_system_identifier": "7268616322854375442",
    "patroni": {"version": "0.1.0", "scope": "orders", "name": "db2"}})"));
}

TEST(Health, TheBodyOfAStoppedServerClaimsNoPosition) {
  Snapshot stopped = StandbySnapshot();
  stopped.report.server = ServerState::kStopped;
  const std::string body = Answer("db2", "/patroni", stopped).body;
  EXPECT_EQ(Json::parse(body)["state"], "stopped");
  EXPECT_THAT(body, Not(HasSubstr("xlog")));
}

TEST(Health, StrangeBytesDoNotBreakTheBody) {
  Snapshot primary = PrimarySnapshot();
  primary.report.attached[0].node = "d\xff";
  EXPECT_TRUE(Json::accept(Answer("db1", "/patroni", primary).body));
}

TEST(ParseLag, ReadsPostgresqlsUnits) {
  EXPECT_EQ(ParseLag("1048576"), 1'048'576);
  EXPECT_EQ(ParseLag("16kB"), 16'384);
  EXPECT_EQ(ParseLag("1MB"), 1'048'576);
  EXPECT_EQ(ParseLag("1 mb"), 1'048'576);
  EXPECT_EQ(ParseLag("2GB"), 2'147'483'648);
  EXPECT_EQ(ParseLag("1TB"), 1'099'511'627'776);
  EXPECT_EQ(ParseLag("7B"), 7);
  EXPECT_EQ(ParseLag("99999999999TB"), UINT64_MAX) << "as much as there is, not a small rest";
  for (const char* bad : {"", "MB", "1XB", "-1", "+1", "1.5MB", "0x10"}) {
    EXPECT_EQ(ParseLag(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace pgmahout::agent
