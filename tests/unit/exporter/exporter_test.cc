// SPDX-License-Identifier: Apache-2.0
// The exporter over real sockets: its listeners, and that they show the last snapshot.
#include "agent/exporter/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "tests/unit/exporter/snapshots.h"
#include "tests/unit/http/http_client.h"

namespace pgmahout::agent {
namespace {

using pgmahout::testing::Ask;
using pgmahout::testing::FreePort;
using ::testing::HasSubstr;

std::string OnLoopback(uint16_t port) {
  return absl::StrCat("127.0.0.1:", port);
}

// With the real clock, which the exporter uses.
Snapshot LivePrimary() {
  Snapshot primary = PrimarySnapshot();
  primary.lease->deadline = SystemClock().Now() + Duration{60'000};
  return primary;
}

struct Started {
  std::unique_ptr<Exporter> exporter;
  uint16_t metrics = 0;
  uint16_t health = 0;
};

// Somebody else may take a free port first; others are tried then.
Started StartSomewhere(bool one_address) {
  Started started;
  for (int attempt = 0; attempt < 10 && started.exporter == nullptr; ++attempt) {
    started.metrics = FreePort();
    started.health = one_address ? started.metrics : FreePort();
    auto exporter = StartExporter({"db1", OnLoopback(started.metrics), OnLoopback(started.health)});
    if (exporter.ok()) {
      started.exporter = *std::move(exporter);
    }
  }
  return started;
}

TEST(Exporter, ClaimsNothingBeforeTheFirstSnapshot) {
  const Started started = StartSomewhere(false);
  ASSERT_NE(started.exporter, nullptr);
  for (const char* path : {"/primary", "/replica", "/health", "/liveness", "/metrics"}) {
    EXPECT_EQ(Ask(started.health, "GET", path).status, 503) << path;
    EXPECT_EQ(Ask(started.metrics, "GET", path).status, 503) << path;
  }
}

TEST(Exporter, ShowsTheLastSnapshot) {
  const Started started = StartSomewhere(false);
  ASSERT_NE(started.exporter, nullptr);
  started.exporter->Update(LivePrimary());
  for (const char* method : {"GET", "HEAD", "OPTIONS"}) {
    EXPECT_EQ(Ask(started.health, method, "/primary").status, 200) << method;
    EXPECT_EQ(Ask(started.health, method, "/replica").status, 503) << method;
  }
  EXPECT_EQ(Ask(started.health, "POST", "/primary").status, 405);
  const auto metrics = Ask(started.metrics, "GET", "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.head, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(metrics.body, HasSubstr("pg_up 1\n"));
  started.exporter->Update(StandbySnapshot());
  EXPECT_EQ(Ask(started.health, "GET", "/primary").status, 503);
  EXPECT_EQ(Ask(started.health, "GET", "/replica?lag=1MB").status, 200);
}

TEST(Exporter, ServesBothOnOneAddress) {
  const Started started = StartSomewhere(true);
  ASSERT_NE(started.exporter, nullptr);
  started.exporter->Update(LivePrimary());
  EXPECT_EQ(Ask(started.metrics, "GET", "/metrics").status, 200);
  EXPECT_EQ(Ask(started.metrics, "GET", "/primary").status, 200);
}

TEST(Exporter, WithoutAddressesListensNowhere) {
  const auto exporter = StartExporter({"db1", "", ""});
  ASSERT_TRUE(exporter.ok()) << exporter.status();
  (*exporter)->Update(LivePrimary());
}

TEST(Exporter, NamesTheAddressThatIsTaken) {
  const Started started = StartSomewhere(true);
  ASSERT_NE(started.exporter, nullptr);
  const std::string taken = OnLoopback(started.health);
  const auto second = StartExporter({"db2", "", taken});
  ASSERT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(taken));
}

}  // namespace
}  // namespace pgmahout::agent
