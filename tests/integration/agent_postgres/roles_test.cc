// SPDX-License-Identifier: Apache-2.0
// Roles, databases, slots, checkpoints and the archive: SQL steps on a primary.
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "tests/integration/agent_postgres/node.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

class Primary : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    site_ = new Site;
    node_ = new Node(*site_, "db1", "127.0.77.1");
    node_->Bootstrap();
  }

  static void TearDownTestSuite() {
    delete node_;
    delete site_;
  }

  Node& db1() { return *node_; }

  absl::Status EnsureRoles(const std::string& roles_id) {
    Step step = db1().NewStep(StepKind::kEnsureRoles);
    step.roles_id = roles_id;
    return db1().Run(step);
  }

  static std::string LogText() {
    std::string text;
    for (const auto& entry : fs::directory_iterator(node_->DataRoot() + "/log")) {
      text += Slurp(entry.path().string());
    }
    return text;
  }

 private:
  inline static Site* site_ = nullptr;
  inline static Node* node_ = nullptr;
};

TEST_F(Primary, RolesAndDatabasesAreAsSpecifiedAndPasswordsAreNotLogged) {
  db1().Sql("ALTER SYSTEM SET log_statement = 'all'");
  db1().Sql("ALTER SYSTEM SET log_min_duration_statement = 0");
  db1().Sql("SELECT pg_reload_conf()");
  ASSERT_TRUE(Eventually([&] { return db1().Value("SHOW log_statement") == "all"; }));
  ClusterSpec& spec = db1().desired.spec;
  spec.databases = {{"orders", "orders_owner", {"plpgsql"}}};
  spec.roles = {{"orders_owner", false, {}},
                {"orders_app", true, {{"orders", "readwrite"}}},
                {"rep\"orts", true, {{"orders", "readonly"}}}};
  const std::string verifier =
      "SCRAM-SHA-256$4096:c2FsdHNhbHQ=$"
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=";
  db1().desired.credentials = {{"orders_app", verifier}};

  for (const char* id : {"first", "again"}) {  // doing it twice changes nothing
    const absl::Status status = EnsureRoles(id);
    ASSERT_TRUE(status.ok()) << FormatError(status);
    EXPECT_EQ(db1().Look().sql->roles_id, id);
  }
  EXPECT_EQ(db1().Value("SELECT rolreplication AND rolcanlogin AND NOT rolsuper FROM pg_roles "
                        "WHERE rolname = 'pgmahout_replication'"),
            "t");
  EXPECT_EQ(db1().Value("SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = "
                        "'pgmahout_replication'"),
            "t");
  EXPECT_EQ(db1().Value("SELECT rolpassword FROM pg_authid WHERE rolname = 'orders_app'"),
            verifier);
  EXPECT_EQ(db1().Value("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'orders_owner'"), "f");
  EXPECT_EQ(db1().Value("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'orders'"),
            "orders_owner");

  db1().Sql("SET ROLE orders_owner; CREATE TABLE public.item (id serial PRIMARY KEY, name text)",
            "orders");
  const auto may = [&](const std::string& role, const std::string& what) {
    return db1().Value(
        absl::StrCat("SELECT has_table_privilege('", role, "', 'public.item', '", what, "')"),
        "orders");
  };
  EXPECT_EQ(may("orders_app", "SELECT, INSERT, UPDATE, DELETE"), "t");
  EXPECT_EQ(may("rep\"orts", "SELECT"), "t");
  EXPECT_EQ(may("rep\"orts", "INSERT"), "f");
  EXPECT_EQ(
      db1().Value("SELECT has_sequence_privilege('orders_app', 'public.item_id_seq', 'USAGE')",
                  "orders"),
      "t");
  EXPECT_EQ(db1().Value("SELECT has_schema_privilege('orders_app', 'public', 'CREATE')", "orders"),
            "f");

  const std::string log = LogText();
  EXPECT_TRUE(absl::StrContains(log, "log_statement")) << "the log must show other statements";
  EXPECT_FALSE(absl::StrContains(log, "pli\\ca"));
  EXPECT_FALSE(absl::StrContains(log, "c2FsdHNhbHQ"));
}

TEST_F(Primary, SlotsAreMadeAndRemovedOnceEach) {
  Step step = db1().NewStep(StepKind::kEnsureSlots);
  step.slots.create = {"pgmahout_db2", "pgmahout_db3"};
  for (int i = 0; i < 2; ++i) {  // a repeated step finds them there
    const absl::Status status = db1().Run(step);
    ASSERT_TRUE(status.ok()) << FormatError(status);
  }
  std::vector<Slot> slots = db1().Look().sql->slots;
  ASSERT_EQ(slots.size(), 2u);
  EXPECT_EQ(slots[0].name, "pgmahout_db2");
  EXPECT_FALSE(slots[0].active);
  EXPECT_TRUE(slots[0].restart_lsn.valid()) << "WAL is kept from now on";

  step.slots = SlotPlan{};
  // Backward, or for a slot that is not there: somebody was faster, which is no error.
  step.slots.advance = {{"pgmahout_db2", Lsn{1}}};
  step.slots.drop = {"pgmahout_db3", "pgmahout_gone"};
  const absl::Status status = db1().Run(step);
  ASSERT_TRUE(status.ok()) << FormatError(status);
  slots = db1().Look().sql->slots;
  ASSERT_EQ(slots.size(), 1u);
  EXPECT_EQ(slots[0].name, "pgmahout_db2");
  step.slots = SlotPlan{{}, {"pgmahout_db2"}, {}};
  ASSERT_TRUE(db1().Run(step).ok());
}

TEST_F(Primary, CheckpointMovesTheControlFileOn) {
  const char kRedo[] = "SELECT checkpoint_lsn FROM pg_control_checkpoint()";
  const std::string before = db1().Value(kRedo);
  db1().Sql("CREATE TABLE public.grown AS SELECT 1 AS x");
  ASSERT_TRUE(db1().Run(StepKind::kCheckpoint).ok());
  EXPECT_NE(db1().Value(kRedo), before);
}

TEST_F(Primary, WithoutAnArchiveNoSegmentIsFilled) {
  db1().Sql("SELECT pg_switch_wal()");  // now there is room for megabytes
  const std::string before = db1().Value("SELECT pg_current_wal_insert_lsn()");
  Step step = db1().NewStep(StepKind::kCheckpoint);
  step.fill_segment = true;
  ASSERT_TRUE(db1().Run(step).ok());
  EXPECT_LT(
      std::stoi(db1().Value(absl::StrCat("SELECT pg_current_wal_insert_lsn() - '", before, "'"))),
      1'000'000);
}

TEST_F(Primary, PromotingAPrimaryIsNoError) {
  EXPECT_TRUE(db1().Run(StepKind::kPromote).ok());
  EXPECT_EQ(db1().Look().sql->timeline, 1u);
}

}  // namespace
}  // namespace pgmahout::agent
