// SPDX-License-Identifier: Apache-2.0
// The order file and the report file: round trips, damage, other boots.
#include "agent/guard/guard_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "agent/guard/guard_report.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/unit/agent_postgres/child.h"

namespace pgmahout::guard {
namespace {

GuardOrder AnOrder() {
  return GuardOrder{true, "/var/lib/pg data=1/pgdata.3", "/sys/fs/cgroup/system.slice/pg.service",
                    BootTime::FromMilliseconds(123'456'789), 42};
}

TEST(GuardFile, IsReadAsItWasWritten) {
  const agent::TemporaryDirectory directory;
  const std::string path = directory.path() + "/order";
  auto file = GuardFile::Open(path);
  ASSERT_TRUE(file.ok()) << FormatError(file.status());
  EXPECT_TRUE(absl::IsNotFound(ReadGuardOrder(path, BootId()).status())) << "Open writes nothing";
  ASSERT_TRUE(file->Write(AnOrder()).ok());
  EXPECT_EQ(ReadGuardOrder(path, BootId()).value(), AnOrder());
  ASSERT_TRUE(file->Write(GuardOrder{}).ok());
  EXPECT_EQ(ReadGuardOrder(path, BootId()).value(), GuardOrder{});
}

TEST(GuardFile, OfAnotherBootIsNoOrder) {
  const auto order = DecodeGuardOrder(EncodeGuardOrder(AnOrder(), "yesterday"), "today");
  EXPECT_TRUE(absl::IsFailedPrecondition(order.status())) << order.status();
}

TEST(GuardFile, AnyFlippedBitIsFound) {
  const std::string whole = EncodeGuardOrder(AnOrder(), "boot");
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int bit : {0, 3, 6}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_TRUE(absl::IsDataLoss(DecodeGuardOrder(damaged, "boot").status())) << damaged;
    }
  }
}

TEST(GuardFile, AnyMissingEndIsFound) {
  const std::string whole = EncodeGuardOrder(AnOrder(), "boot");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeGuardOrder(whole.substr(0, length), "boot").status()))
        << length;
  }
}

TEST(GuardFile, RefusesOrdersThatNoGuardCouldObey) {
  const agent::TemporaryDirectory directory;
  const std::string path = directory.path() + "/order";
  GuardFile file = GuardFile::Open(path).value();
  ASSERT_TRUE(file.Write(AnOrder()).ok());
  std::vector<GuardOrder> bad(6, AnOrder());
  bad[0].data_directory = "relative/pgdata";
  bad[1].data_directory = "//";
  bad[2].data_directory = "";
  bad[3].data_directory = "/data\narmed=0";
  bad[4].cgroup = "system.slice/pg.service";
  bad[5].deadline = BootTime();
  for (const GuardOrder& order : bad) {
    EXPECT_TRUE(absl::IsInvalidArgument(file.Write(order))) << order.data_directory;
  }
  EXPECT_EQ(ReadGuardOrder(path, BootId()).value(), AnOrder()) << "the file must be untouched";
}

TEST(GuardFile, NeedsAnAbsolutePathInADirectory) {
  EXPECT_TRUE(absl::IsInvalidArgument(GuardFile::Open("order").status()));
  EXPECT_TRUE(absl::IsNotFound(GuardFile::Open("/nonexistent/order").status()));
}

TEST(GuardFile, AReaderNeverSeesHalfAnOrder) {
  const agent::TemporaryDirectory directory;
  const std::string path = directory.path() + "/order";
  GuardFile file = GuardFile::Open(path).value();
  ASSERT_TRUE(file.Write(AnOrder()).ok());
  std::thread writer([&file] {
    for (uint64_t epoch = 1; epoch <= 400; ++epoch) {
      GuardOrder order = AnOrder();
      order.epoch = epoch;
      order.data_directory = "/" + std::string(epoch % 100, 'x');
      order.armed = order.data_directory != "/";
      EXPECT_TRUE(file.Write(order).ok());
    }
  });
  uint64_t last = 0;
  while (last < 400) {
    const auto order = ReadGuardOrder(path, BootId());
    ASSERT_TRUE(order.ok()) << order.status();
    if (order->epoch != AnOrder().epoch || last >= AnOrder().epoch) {
      EXPECT_GE(order->epoch, last);
      last = order->epoch;
    }
  }
  writer.join();
}

GuardReport AReport() {
  GuardReport report;
  report.boot_id = "boot";
  report.data_directory = "/data";
  report.epoch = 9;
  report.deadline = BootTime::FromMilliseconds(1'000);
  report.struck_at = BootTime::FromMilliseconds(1'002);
  report.struck_wall_ms = 1'795'000'000'000;
  report.clear_at = BootTime::FromMilliseconds(1'011);
  report.killed = 8;
  report.used_cgroup = true;
  return report;
}

TEST(GuardReport, IsReadAsItWasWritten) {
  const agent::TemporaryDirectory directory;
  const std::string path = directory.path() + "/report";
  EXPECT_TRUE(absl::IsNotFound(ReadGuardReport(path).status()));
  GuardReport report = AReport();
  ASSERT_TRUE(WriteGuardReport(path, report).ok());
  EXPECT_EQ(ReadGuardReport(path).value(), report);
  EXPECT_EQ(report.Late(), Duration{2});
  report.clear_at.reset();
  report.left = 3;
  report.problem = "no PG_VERSION in it";
  ASSERT_TRUE(WriteGuardReport(path, report).ok());
  EXPECT_EQ(ReadGuardReport(path).value(), report);
}

TEST(GuardReport, DamageIsFound) {
  const agent::TemporaryDirectory directory;
  const std::string path = directory.path() + "/report";
  ASSERT_TRUE(WriteGuardReport(path, AReport()).ok());
  directory.Write("report", ReadFile(path).value() + "x");
  EXPECT_TRUE(absl::IsDataLoss(ReadGuardReport(path).status()));
}

}  // namespace
}  // namespace pgmahout::guard
