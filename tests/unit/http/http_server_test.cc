// SPDX-License-Identifier: Apache-2.0
// The HTTP server as scrapers and load balancers meet it, over real sockets.
#include "common/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "tests/unit/http/http_client.h"

namespace pgmahout {
namespace {

using testing::Ask;
using ::testing::HasSubstr;
using ::testing::Not;

HttpResponse Echo(const HttpRequest& request) {
  if (request.path == "/throw") {
    throw std::runtime_error("this handler is broken");
  }
  if (request.path != "/echo") {
    return HttpResponse{404, "text/plain; charset=utf-8", "no such path\n"};
  }
  return HttpResponse{200, "text/plain", absl::StrCat(request.method, "|", request.query)};
}

// One server for all tests: civetweb takes two seconds to stop.
class HttpServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = HttpServer::Start("127.0.0.1:0", &Echo);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = std::move(started)->release();
  }

  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }

  void SetUp() override {
    ASSERT_NE(server_, nullptr);
    ASSERT_NE(server_->port(), 0);
  }

  static HttpServer* server_;
};

HttpServer* HttpServerTest::server_ = nullptr;

TEST_F(HttpServerTest, GivesTheHandlerPathAndQuery) {
  const auto response = Ask(server_->port(), "GET", "/echo?lag=1MB&x=y");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "GET|lag=1MB&x=y");
  EXPECT_THAT(response.head, HasSubstr("Content-Length: 15\r\n"));
  EXPECT_THAT(response.head, HasSubstr("Cache-Control: no-store\r\n"));
}

TEST_F(HttpServerTest, HeadTellsTheLengthAndSendsNoBody) {
  const auto response = Ask(server_->port(), "HEAD", "/echo");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.head, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_EQ(response.body, "");
}

TEST_F(HttpServerTest, OptionsReachesTheHandlerAndSendsNoBody) {
  const auto response = Ask(server_->port(), "OPTIONS", "/echo");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.head, HasSubstr("Content-Length: 0\r\n"));
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(Ask(server_->port(), "OPTIONS", "/nothing").status, 404);
}

TEST_F(HttpServerTest, AnswersOtherPathsAsTheHandlerSays) {
  EXPECT_EQ(Ask(server_->port(), "GET", "/nothing").status, 404);
}

TEST_F(HttpServerTest, RefusesMethodsThatWouldChangeSomething) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH"}) {
    const auto response = Ask(server_->port(), method, "/echo");
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_THAT(response.head, HasSubstr("Allow: GET, HEAD, OPTIONS\r\n")) << method;
    EXPECT_THAT(response.body, Not(HasSubstr(method))) << "the handler ran";
  }
}

TEST_F(HttpServerTest, SurvivesAHandlerThatThrows) {
  EXPECT_EQ(Ask(server_->port(), "GET", "/throw").status, 500);
  EXPECT_EQ(Ask(server_->port(), "GET", "/echo").status, 200);
}

TEST_F(HttpServerTest, SurvivesNonsense) {
  testing::Exchange(server_->port(), "\r\n\r\n");
  testing::Exchange(server_->port(), std::string(20'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(Ask(server_->port(), "GET", "/echo").status, 200);
}

TEST_F(HttpServerTest, AnswersWhileOtherClientsAreSilent) {
  std::vector<int> silent;
  for (int i = 0; i < 8; ++i) {
    silent.push_back(testing::ConnectTo(server_->port()));
    ASSERT_GE(silent.back(), 0);
  }
  EXPECT_EQ(Ask(server_->port(), "GET", "/echo").status, 200);
  // Nobody was hung up on to make room: they still are connected.
  for (const int fd : silent) {
    char byte = 0;
    EXPECT_EQ(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    close(fd);
  }
}

TEST_F(HttpServerTest, NamesTheAddressThatIsTaken) {
  const std::string taken = absl::StrCat("127.0.0.1:", server_->port());
  const auto second = HttpServer::Start(taken, &Echo);
  ASSERT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(taken));
  EXPECT_THAT(InfoOf(second.status()).detail, HasSubstr("in use"));
  EXPECT_NE(InfoOf(second.status()).hint, "");
}

TEST(HttpServerEnd, ListensNoMoreOnceItIsGone) {
  auto server = HttpServer::Start("127.0.0.1:0", &Echo);
  ASSERT_TRUE(server.ok()) << server.status();
  const uint16_t port = (*server)->port();
  server->reset();
  EXPECT_EQ(testing::ConnectTo(port), -1);
}

TEST(HttpServerAddress, MustBeHostAndPort) {
  for (const char* bad :
       {"", "127.0.0.1", "8008", ":8008", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:80s",
        "127.0.0.1:0,127.0.0.1:0", "127.0.0.1:-1", "127.0.0.1:0x50"}) {
    const auto server = HttpServer::Start(bad, &Echo);
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr(absl::StrCat("\"", bad, "\"")));
  }
}

TEST(HttpServerAddress, MustBelongToThisMachine) {
  // TEST-NET-1 of RFC 5737: nobody's.
  EXPECT_EQ(HttpServer::Start("192.0.2.1:0", &Echo).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(QueryValue, DecodesTheNamedValue) {
  EXPECT_EQ(QueryValue("lag=1MB&mode=apply", "lag"), "1MB");
  EXPECT_EQ(QueryValue("lag=1MB&mode=apply", "mode"), "apply");
  EXPECT_EQ(QueryValue("lag=1%4dB", "lag"), "1MB");
  EXPECT_EQ(QueryValue("flag=1", "lag"), "");
  EXPECT_EQ(QueryValue("", "lag"), "");
}

}  // namespace
}  // namespace pgmahout
