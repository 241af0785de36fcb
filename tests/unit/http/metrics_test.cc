// SPDX-License-Identifier: Apache-2.0
#include "common/http/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgmahout {
namespace {

using ::testing::HasSubstr;

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(Metrics, OneFamilyHasOneHelpAndOneType) {
  Metrics metrics;
  metrics.Gauge("a_bytes", "Bytes of A.", 1, {{"name", "x"}});
  metrics.Counter("b_total", "How many B.", 7);
  metrics.Gauge("a_bytes", "Bytes of A.", 2, {{"name", "y"}});
  const std::string text = metrics.Text();
  EXPECT_EQ(Count(text, "# HELP a_bytes Bytes of A.\n"), 1);
  EXPECT_EQ(Count(text, "# TYPE a_bytes gauge\n"), 1);
  EXPECT_THAT(text, HasSubstr("a_bytes{name=\"x\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("a_bytes{name=\"y\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE b_total counter\nb_total 7\n"));
}

TEST(Metrics, LabelsCannotBreakTheFormat) {
  Metrics metrics;
  metrics.Gauge("a", "A.", 1, {{"name", "quote \" backslash \\ line\nend"}});
  EXPECT_THAT(metrics.Text(), HasSubstr("a{name=\"quote \\\" backslash \\\\ line\\nend\"} 1\n"));
}

TEST(Metrics, WalPositionsKeepTheirDigits) {
  Metrics metrics;
  metrics.Gauge("a", "A.", 112'233'445'566'778.0);
  EXPECT_THAT(metrics.Text(), HasSubstr("a 112233445566778"));
}

}  // namespace
}  // namespace pgmahout
