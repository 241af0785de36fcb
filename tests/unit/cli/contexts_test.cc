// SPDX-License-Identifier: Apache-2.0
// The contexts file: what it may say, and what is said when it is wrong.
#include "controller/cli/contexts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kTwoContexts[] =
    "currentContext: prod\n"
    "contexts:\n"
    "  prod: {controller: ctl.example:7432, ca: ca.pem, certificate: /etc/me.pem, key: k/me.key}\n"
    "  test: {controller: '[::1]:7432', ca: a, certificate: b, key: c}\n";

class Contexts : public CliTest {
 protected:
  std::string ErrorOf(const std::string& text, const std::string& name = "") {
    const absl::Status status = LoadContext(WriteFile("c.yaml", text), name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    return FormatError(status);
  }
};

TEST_F(Contexts, RelativePathsAreRelativeToTheFile) {
  const std::string path = WriteFile("c.yaml", kTwoContexts);
  const std::string directory = path.substr(0, path.rfind('/'));
  const auto context = LoadContext(path, "");
  ASSERT_TRUE(context.ok()) << context.status();
  EXPECT_EQ(context->name, "prod");
  EXPECT_EQ(context->controller, "ctl.example:7432");
  EXPECT_EQ(context->ca, directory + "/ca.pem");
  EXPECT_EQ(context->certificate, "/etc/me.pem");
  EXPECT_EQ(context->key, directory + "/k/me.key");
  EXPECT_EQ(LoadContext(path, "test")->controller, "[::1]:7432");
}

TEST_F(Contexts, MistakesAreNamedWithTheirLine) {
  EXPECT_THAT(ErrorOf(kTwoContexts, "prdo"), HasSubstr("Did you mean \"prod\"?"));
  EXPECT_THAT(ErrorOf("contexts: {a: {controller: x:1, ca: a, certificate: b, key: c}}"),
              HasSubstr("has no currentContext"));
  EXPECT_THAT(ErrorOf("currentContext: a\ncontexts:\n  a: {contrller: x}\n"),
              AllOf(HasSubstr("c.yaml:3"), HasSubstr("\"contrller\""), HasSubstr("controller")));
  EXPECT_THAT(ErrorOf("currentContext: a\ncontexts:\n  a: {controller: x:1, ca: y}\n"),
              HasSubstr("lacks \"certificate\""));
  EXPECT_THAT(
      ErrorOf("currentContext: a\ncontexts: {a: {controller: x, ca: a, certificate: b, key: c}}"),
      HasSubstr("host:port"));
  EXPECT_THAT(ErrorOf("a: ["), HasSubstr("invalid YAML"));
  EXPECT_THAT(ErrorOf("- a\n"), HasSubstr("expected a mapping"));
  EXPECT_THAT(ErrorOf("currentContext: [a]\n"), HasSubstr("currentContext"));
  EXPECT_EQ(LoadContext("/nonexistent/config.yaml", "").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace pgmahout::cli
