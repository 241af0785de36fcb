// SPDX-License-Identifier: Apache-2.0
#include "common/http/http_server.h"

#include <civetweb.h>

#include <array>
#include <atomic>
#include <exception>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

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
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

void Write(mg_connection* connection, const HttpResponse& response, const std::string& method) {
  // HEAD tells the length of what GET would send; the answer to OPTIONS has no body at all.
  const size_t length = method == "OPTIONS" ? 0 : response.body.size();
  const bool is_405 = response.status == 405;
  const std::string head =
      absl::StrCat("HTTP/1.1 ", response.status, " ", ReasonOf(response.status),
                   "\r\nContent-Type: ", response.content_type, "\r\nContent-Length: ", length,
                   is_405 || method == "OPTIONS" ? "\r\nAllow: GET, HEAD, OPTIONS" : "",
                   "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
  mg_write(connection, head.data(), head.size());
  if (method != "HEAD" && length > 0) {
    mg_write(connection, response.body.data(), length);
  }
}

// civetweb takes lists of ports, and letters behind a port that mean TLS or redirects; we do not.
absl::Status CheckListen(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || colon == 0 || colon + 1 == listen.size() ||
      listen.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
      !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port > 65535 ||
      listen.find_first_of(", +") != std::string::npos) {
    return WithHint(absl::InvalidArgumentError(
                        absl::StrCat("cannot listen on \"", listen, "\" for HTTP: not host:port")),
                    "Write an address of this machine and a port up to 65535, for example "
                    "10.0.0.5:9187 or [::1]:9187.");
  }
  return absl::OkStatus();
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
    PGM_RETURN_IF_ERROR(CheckListen(listen));
    // A client that connects and says nothing holds a thread until the timeout: enough threads that
    // a few of those do not keep a load balancer's checks waiting.
    std::array<const char*, 11> options = {"listening_ports",
                                           listen.c_str(),
                                           "num_threads",
                                           "16",
                                           "request_timeout_ms",
                                           "3000",
                                           "max_request_size",
                                           "8192",
                                           "enable_keep_alive",
                                           "no",
                                           nullptr};
    mg_callbacks callbacks{};
    callbacks.begin_request = &CivetServer::Begin;
    callbacks.log_message = &CivetServer::Complain;
    context_ = mg_start(&callbacks, this, options.data());
    if (context_ == nullptr) {
      return WithInfo(
          absl::UnavailableError(absl::StrCat("cannot listen on ", listen, " for HTTP")),
          ErrorInfo{"cannot-listen", complaint_,
                    "The address is taken, or does not belong to this machine."});
    }
    started_ = true;
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
    Write(connection, server->Answer(request), request.method);
    return 1;  // handled
  }

  // civetweb is C: no exception may pass through it.
  HttpResponse Answer(const HttpRequest& request) const {
    if (request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS") {
      return HttpResponse{405, "text/plain; charset=utf-8", "use GET\n"};
    }
    try {
      return handler_(request);
    } catch (const std::exception& error) {
      LogError("cannot answer an HTTP request", {{"path", request.path}, {"error", error.what()}});
      return HttpResponse{500, "text/plain; charset=utf-8", "internal error\n"};
    }
  }

  // While it starts: why it does not. Later civetweb complains of its clients only.
  static int Complain(const mg_connection* connection, const char* message) {
    auto* server = static_cast<CivetServer*>(mg_get_user_data(mg_get_context(connection)));
    if (server != nullptr && !server->started_ && server->complaint_.empty()) {
      server->complaint_ = message;  // the first one is the cause
    }
    return 1;  // said
  }

  Handler handler_;
  mg_context* context_ = nullptr;
  uint16_t port_ = 0;
  std::atomic<bool> started_ = false;
  std::string complaint_;  // written before started_ is set, never after
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
