// SPDX-License-Identifier: Apache-2.0
// One request to one DNS server and its answer: UDP, sent again once, then TCP.
//
// TCP at once for what is too long for UDP, after a truncated answer, and when the server's host
// says that nobody listens on the UDP port.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"

namespace pgmahout::controller {

struct DnsServer {
  boost::asio::ip::address address;
  uint16_t port = 53;

  std::string ToString() const;  // "192.0.2.1:53", "[2001:db8::1]:53"
};

// "address", "address:port" or "[address]:port". InvalidArgument otherwise: host names are not
// looked up, because finding the DNS server must not need DNS.
absl::StatusOr<DnsServer> ParseDnsServer(absl::string_view text);

struct ExchangeRequest {
  DnsServer server;
  std::vector<uint8_t> wire;
  // Whether a datagram answers this request; others are passed over.
  std::function<bool(const std::vector<uint8_t>&)> is_answer;
  Duration timeout;  // for all of it
};

// Unavailable: the server cannot have acted on the request. DeadlineExceeded: it may have, but did
// not answer.
using ExchangeDone = absl::AnyInvocable<void(absl::StatusOr<std::vector<uint8_t>>)>;

class Exchange {
 public:
  virtual ~Exchange() = default;
  // `done` is not called any more. Idempotent. On the thread that runs the io_context.
  virtual void Cancel() = 0;
};

// Call on the thread that runs `io`. `done` runs once, there, and never inside this call.
std::shared_ptr<Exchange> StartExchange(boost::asio::io_context& io,
                                        ExchangeRequest request,
                                        ExchangeDone done);

}  // namespace pgmahout::controller
