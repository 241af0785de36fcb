// SPDX-License-Identifier: Apache-2.0
// What the controller stores of a cluster is what it reads back after a restart.
#include "controller/conductor/durable_codec.h"

#include <gtest/gtest.h>

namespace pgmahout::controller {
namespace {

Durable Full() {
  Durable durable;
  durable.spec.name = "orders";
  durable.spec.nodes = {"db1", "db2", "db3"};
  durable.revision = 4;
  durable.system_identifier = 77;
  durable.epoch = 9;
  durable.stage = Stage::kRunning;
  durable.primary = "db2";
  durable.timeline = 3;
  durable.fork_lsn = Lsn{0x3000158};
  durable.timelines_ahead = 6;
  durable.quorum = Quorum{1, {"db1", "db3"}};
  durable.older = {Quorum{0, {}}, Quorum{1, {"db3"}}};
  durable.sole_copy = true;
  durable.lost_wal_end = Lsn{0x30001A0};
  durable.planned = true;
  durable.target = "db3";
  durable.accept_data_loss = true;
  durable.was_healthy = true;
  durable.names = NameRecords{9, 2, {"10.0.0.2"}, {"10.0.0.1"}};
  durable.replication_password_sealed = "sealed";
  durable.adopted = true;
  durable.paused = true;
  durable.maintenance = {"db1"};
  durable.reinit = Reinit{"db3", 2, 9, true};
  durable.restart = Restart{{"db1", "db2"}, 1'700'000'000'123'456, 9, true};
  return durable;
}

TEST(DurableCodec, ReadsBackWhatItWrote) {
  const absl::StatusOr<Durable> read = DecodeDurable(EncodeDurable(Full()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(*read == Full());
}

TEST(DurableCodec, NothingThatPeopleAskForIsNothingAfterwards) {
  Durable durable = Full();
  durable.paused = false;
  durable.maintenance.clear();
  durable.reinit = Reinit{};
  durable.restart = Restart{};
  const absl::StatusOr<Durable> read = DecodeDurable(EncodeDurable(durable));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(*read == durable);
}

TEST(DurableCodec, RefusesADamagedRecord) {
  EXPECT_EQ(DecodeDurable("\xff\xff\xff").status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace pgmahout::controller
