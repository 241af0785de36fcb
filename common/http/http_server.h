// SPDX-License-Identifier: Apache-2.0
// HttpServer: a small HTTP server for what machines scrape: metrics, health, targets. Over
// civetweb.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace pgmahout {

struct HttpRequest {
  std::string method;  // GET, HEAD, OPTIONS; others are answered 405 before the handler
  std::string path;    // "/replica", without the query
  std::string query;   // "lag=1MB", undecoded; empty: none
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// The value of `name` in an undecoded query; empty if it is not there.
std::string QueryValue(const std::string& query, const std::string& name);

class HttpServer {
 public:
  // Runs on the server's own threads, several at once; must not block. The body is sent for GET
  // only. An exception is logged and answered 500.
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Listens on "host:port" (port 0: a free one). InvalidArgument for other text, Unavailable for an
  // address that cannot be used; both name it.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& listen,
                                                           Handler handler);

  // Returns when no handler runs any more.
  virtual ~HttpServer() = default;

  virtual uint16_t port() const = 0;
};

}  // namespace pgmahout
