// SPDX-License-Identifier: Apache-2.0
// The contexts file, and what happens when a controller cannot be reached.
#include "controller/cli/contexts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "controller/cli/connect.h"
#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

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

class Connect : public Contexts {
 protected:
  Connect() {
    invocation_.config = WriteFile(
        "config.yaml",
        "currentContext: a\ncontexts: {a: {controller: '127.0.0.1:1', ca: ca, certificate: crt, "
        "key: key}}\n");
    WriteFile("ca", "x");
    WriteFile("crt", "x");
    key_ = WriteFile("key", "x");
    chmod(key_.c_str(), 0600);
    invocation_.timeout = Duration(300);
  }

  Invocation invocation_;
  std::string key_;
};

TEST_F(Connect, NobodyThereIsUnavailableWithAHint) {
  const auto stub = ConnectController(invocation_);
  EXPECT_EQ(stub.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(FormatError(stub.status()),
              AllOf(HasSubstr("127.0.0.1:1 (context \"a\")"), HasSubstr("hint:")));
}

TEST_F(Connect, AKeyThatOthersMayReadIsRefused) {
  chmod(key_.c_str(), 0644);
  EXPECT_THAT(FormatError(ConnectController(invocation_).status()), HasSubstr("chmod 0600"));
}

TEST_F(Connect, AMissingFileIsNamed) {
  unlink(key_.c_str());
  EXPECT_THAT(FormatError(ConnectController(invocation_).status()),
              AllOf(HasSubstr("the key of context \"a\""), HasSubstr("/key")));
}

}  // namespace
}  // namespace pgmahout::cli
