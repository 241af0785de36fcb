// SPDX-License-Identifier: Apache-2.0
// The command line: global options, help, and mistakes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CommandLineTest : public CliTest {};

TEST_F(CommandLineTest, GlobalOptionsMayStandAnywhere) {
  EXPECT_EQ(Run("-o name cluster list").out, "orders\n");
  EXPECT_EQ(Run("cluster -o name list").out, "orders\n");
  EXPECT_EQ(Run("cluster list -o name").out, "orders\n");
}

TEST_F(CommandLineTest, HelpIsDataAndSuccess) {
  const CliResult result = Run("--help");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("apply"), HasSubstr("cluster"), HasSubstr("--dry-run")));
  EXPECT_THAT(Run("cluster switchover --help").out, HasSubstr("--to"));
  EXPECT_THAT(Run("--version").out, HasSubstr("pgmahout 0."));
}

TEST_F(CommandLineTest, MistakesAreUsageErrors) {
  for (const char* arguments :
       {"", "cluster", "cluster show", "clutser list", "cluster shwo orders", "apply",
        "-o jsno cluster list", "cluster list --timeout 5", "cluster list --timeout 0s",
        "cluster list surplus", "cluster list --frobnicate", "token create",
        "cluster credentials orders", "cluster events orders --limit many"}) {
    const CliResult result = Run(arguments);
    EXPECT_EQ(result.code, 2) << arguments;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_THAT(result.err, HasSubstr("error:")) << arguments;
  }
  EXPECT_TRUE(admin_.calls.empty());
}

TEST_F(CommandLineTest, MistakesNameTheNearest) {
  EXPECT_THAT(Run("clutser list").err, HasSubstr("Did you mean \"cluster\"?"));
  EXPECT_THAT(Run("cluster shwo orders").err, HasSubstr("Did you mean \"show\"?"));
  EXPECT_THAT(Run("-o jsno cluster list").err, HasSubstr("Did you mean \"json\"?"));
}

TEST_F(CommandLineTest, CompletionIsAScriptForBash) {
  const CliResult result = Run("completion bash");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("complete -F _pgmahout pgmahout"));
}

}  // namespace
}  // namespace pgmahout::cli
