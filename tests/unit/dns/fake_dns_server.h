// SPDX-License-Identifier: Apache-2.0
// A DNS server that behaves as badly as a test wants: UDP and TCP on one port of 127.0.0.1.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "controller/dns/exchange.h"

namespace pgmahout::controller {

class FakeDnsServer {
 public:
  using Bytes = std::vector<uint8_t>;
  // What to send back for one message, in this order; on TCP an empty list closes the connection.
  using Behaviour = std::function<std::vector<Bytes>(const Bytes& message, bool is_tcp)>;

  // `behaviour` runs on the server's thread, one call at a time.
  explicit FakeDnsServer(Behaviour behaviour);
  ~FakeDnsServer();
  FakeDnsServer(const FakeDnsServer&) = delete;
  FakeDnsServer& operator=(const FakeDnsServer&) = delete;

  DnsServer server() const;

 private:
  void Receive();
  void Accept();
  void Serve(boost::asio::ip::tcp::socket connection);

  Behaviour behaviour_;
  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::acceptor acceptor_{io_};
  boost::asio::ip::udp::socket udp_{io_};
  boost::asio::ip::udp::endpoint sender_;
  Bytes datagram_;
  uint16_t port_ = 0;
  std::thread thread_;
};

// `message` as an answer: the QR and AA flags set, nothing else changed.
FakeDnsServer::Bytes Reflect(FakeDnsServer::Bytes message);

}  // namespace pgmahout::controller
