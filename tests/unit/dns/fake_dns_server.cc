// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dns/fake_dns_server.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace pgmahout::controller {

namespace asio = boost::asio;
using boost::system::error_code;

FakeDnsServer::FakeDnsServer(Behaviour behaviour) : behaviour_(std::move(behaviour)) {
  const auto loopback = asio::ip::address_v4::loopback();
  error_code error;
  do {  // until the port that TCP got is free for UDP too
    acceptor_ = asio::ip::tcp::acceptor(io_, {loopback, 0});
    port_ = acceptor_.local_endpoint().port();
    udp_ = asio::ip::udp::socket(io_, asio::ip::udp::v4());
    udp_.bind({loopback, port_}, error);
  } while (error);
  Receive();
  Accept();
  thread_ = std::thread([this] { io_.run(); });
}

FakeDnsServer::~FakeDnsServer() {
  io_.stop();
  thread_.join();
}

DnsServer FakeDnsServer::server() const {
  return {asio::ip::address_v4::loopback(), port_};
}

void FakeDnsServer::Receive() {
  datagram_.resize(65535);
  udp_.async_receive_from(asio::buffer(datagram_), sender_, [this](error_code error, size_t size) {
    if (!error) {
      datagram_.resize(size);
      for (const Bytes& answer : behaviour_(datagram_, /*is_tcp=*/false)) {
        udp_.send_to(asio::buffer(answer), sender_, 0, error);
      }
    }
    Receive();
  });
}

void FakeDnsServer::Accept() {
  acceptor_.async_accept([this](error_code error, asio::ip::tcp::socket connection) {
    if (!error) {
      Serve(std::move(connection));
    }
    Accept();
  });
}

void FakeDnsServer::Serve(asio::ip::tcp::socket connection) {
  std::array<uint8_t, 2> length{};
  error_code error;
  asio::read(connection, asio::buffer(length), error);
  Bytes message(static_cast<size_t>(length[0]) << 8 | length[1]);
  asio::read(connection, asio::buffer(message), error);
  if (error) {
    return;
  }
  for (const Bytes& answer : behaviour_(message, /*is_tcp=*/true)) {
    length = {static_cast<uint8_t>(answer.size() >> 8), static_cast<uint8_t>(answer.size() & 0xff)};
    asio::write(connection, asio::buffer(length), error);
    asio::write(connection, asio::buffer(answer), error);
  }
}

FakeDnsServer::Bytes Reflect(FakeDnsServer::Bytes message) {
  message[2] |= 0x84;
  return message;
}

}  // namespace pgmahout::controller
