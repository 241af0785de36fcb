// SPDX-License-Identifier: Apache-2.0
#include "common/http/http_server.h"

#include <civetweb.h>

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"

namespace pgmahout {
namespace {

absl::string_view ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

void Write(mg_connection* connection, const HttpResponse& response, bool with_body) {
  const std::string head = absl::StrCat(
      "HTTP/1.1 ", response.status, " ", ReasonOf(response.status),
      "\r\nContent-Type: ", response.content_type, "\r\nContent-Length: ", response.body.size(),
      "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
  mg_write(connection, head.data(), head.size());
  if (with_body) {
    mg_write(connection, response.body.data(), response.body.size());
  }
}

class CivetServer : public HttpServer {
 public:
  explicit CivetServer(Handler handler) : handler_(std::move(handler)) {}

  ~CivetServer() override {
    if (context_ != nullptr) {
      mg_stop(context_);
    }
  }

  absl::Status Listen(const std::string& listen) {
    std::array<const char*, 11> options = {"listening_ports",
                                           listen.c_str(),
                                           "num_threads",
                                           "4",
                                           "request_timeout_ms",
                                           "5000",
                                           "max_request_size",
                                           "8192",
                                           "enable_keep_alive",
                                           "no",
                                           nullptr};
    mg_callbacks callbacks{};
    callbacks.begin_request = &CivetServer::Begin;
    context_ = mg_start(&callbacks, this, options.data());
    if (context_ == nullptr) {
      return WithHint(
          absl::UnavailableError(absl::StrCat("cannot listen on ", listen, " for HTTP")),
          "The address is taken, or does not belong to this machine.");
    }
    std::array<mg_server_port, 2> ports{};
    if (mg_get_server_ports(context_, static_cast<int>(ports.size()), ports.data()) > 0) {
      port_ = static_cast<uint16_t>(ports[0].port);
    }
    return absl::OkStatus();
  }

  uint16_t port() const override { return port_; }

 private:
  static int Begin(mg_connection* connection) {
    const mg_request_info* info = mg_get_request_info(connection);
    const auto* server = static_cast<const CivetServer*>(info->user_data);
    HttpRequest request;
    request.method = info->request_method;
    request.path = info->local_uri == nullptr ? "/" : info->local_uri;
    request.query = info->query_string == nullptr ? "" : info->query_string;
    const bool known =
        request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
    const HttpResponse response =
        known ? server->handler_(request) : HttpResponse{405, "text/plain", "use GET\n"};
    Write(connection, response, request.method != "HEAD");
    return 1;  // handled
  }

  Handler handler_;
  mg_context* context_ = nullptr;
  uint16_t port_ = 0;
};

}  // namespace

std::string QueryValue(const std::string& query, const std::string& name) {
  std::array<char, 256> value{};
  const int length =
      mg_get_var(query.data(), query.size(), name.c_str(), value.data(), value.size());
  return length < 0 ? std::string() : std::string(value.data(), static_cast<size_t>(length));
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& listen,
                                                              Handler handler) {
  auto server = std::make_unique<CivetServer>(std::move(handler));
  if (const absl::Status status = server->Listen(listen); !status.ok()) {
    return status;
  }
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace pgmahout
