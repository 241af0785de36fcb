// SPDX-License-Identifier: Apache-2.0
#include "controller/dns/exchange.h"

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"

namespace pgmahout::controller {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Bytes = std::vector<uint8_t>;

constexpr size_t kMaxUdpBytes = 512;        // RFC 1035; we do not announce more by EDNS
constexpr size_t kMaxDatagramBytes = 4096;  // room for a server that exceeds it
constexpr int kUdpTries = 2;
constexpr Duration kUdpWait{1'000};
constexpr size_t kFlagsByte = 2;
constexpr uint8_t kTruncatedFlag = 0x02;

bool IsTruncated(const Bytes& wire) {
  return wire.size() > kFlagsByte && (wire[kFlagsByte] & kTruncatedFlag) != 0;
}

class SocketExchange : public Exchange, public std::enable_shared_from_this<SocketExchange> {
 public:
  SocketExchange(asio::io_context& io, ExchangeRequest request, ExchangeDone done)
      : request_(std::move(request)),
        done_(std::move(done)),
        udp_wait_(std::min(kUdpWait, request_.timeout / 4)),
        udp_(io),
        tcp_(io),
        deadline_(io),
        udp_timer_(io) {}

  void Start() {
    deadline_.expires_after(request_.timeout);
    deadline_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) {
        self->Fail("no answer in time");
      }
    });
    if (request_.wire.size() > kMaxUdpBytes) {
      StartTcp();
    } else {
      StartUdp();
    }
  }

  void Cancel() override {
    Close();
    done_ = nullptr;
  }

 private:
  void Close() {
    is_over_ = true;
    error_code ignored;
    udp_.close(ignored);
    tcp_.close(ignored);
    deadline_.cancel();
    udp_timer_.cancel();
  }

  void Finish(absl::StatusOr<Bytes> result) {
    if (is_over_) {
      return;
    }
    Close();
    // Not inside the caller's StartExchange, which has not returned yet.
    asio::post(tcp_.get_executor(),
               [self = shared_from_this(), result = std::move(result)]() mutable {
                 if (self->done_ != nullptr) {
                   std::exchange(self->done_, nullptr)(std::move(result));
                 }
               });
  }

  void Fail(absl::string_view problem) {
    Finish(may_have_arrived_ ? absl::DeadlineExceededError(problem)
                             : absl::UnavailableError(problem));
  }

  void StartUdp() {
    const asio::ip::udp::endpoint endpoint(request_.server.address, request_.server.port);
    error_code error;
    udp_.open(endpoint.protocol(), error);
    if (!error) {
      // A connected socket takes datagrams from this server only, and hears that nobody listens.
      udp_.connect(endpoint, error);
    }
    if (error) {
      Fail(error.message());
      return;
    }
    SendDatagram();
    ReceiveDatagram();
  }

  void SendDatagram() {
    ++udp_tries_;
    udp_.async_send(asio::buffer(request_.wire), [](error_code, size_t) {
      // What went wrong shows at the receiving side, or by silence.
    });
    udp_timer_.expires_after(udp_wait_);
    udp_timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error && !self->is_over_ && !self->is_tcp_) {
        self->PassUdpWait();
      }
    });
  }

  void PassUdpWait() {
    may_have_arrived_ = true;
    if (udp_tries_ < kUdpTries) {
      SendDatagram();
    } else {
      StartTcp();
    }
  }

  void ReceiveDatagram() {
    answer_.resize(kMaxDatagramBytes);
    udp_.async_receive(asio::buffer(answer_),
                       [self = shared_from_this()](error_code error, size_t size) {
                         if (!self->is_over_ && !self->is_tcp_) {
                           self->TakeDatagram(error, size);
                         }
                       });
  }

  void TakeDatagram(error_code error, size_t size) {
    if (error) {
      StartTcp();
      return;
    }
    answer_.resize(size);
    if (!request_.is_answer(answer_)) {
      ReceiveDatagram();
    } else if (IsTruncated(answer_)) {
      may_have_arrived_ = true;
      StartTcp();
    } else {
      Finish(std::move(answer_));
    }
  }

  void StartTcp() {
    is_tcp_ = true;
    error_code ignored;
    udp_.close(ignored);
    udp_timer_.cancel();
    tcp_.async_connect({request_.server.address, request_.server.port},
                       [self = shared_from_this()](error_code error) {
                         if (error) {
                           self->Fail(error.message());
                         } else if (!self->is_over_) {
                           self->WriteTcp();
                         }
                       });
  }

  void WriteTcp() {
    may_have_arrived_ = true;
    const size_t size = request_.wire.size();
    length_ = {static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size & 0xff)};
    const std::array<asio::const_buffer, 2> message = {asio::buffer(length_),
                                                       asio::buffer(request_.wire)};
    asio::async_write(tcp_, message, [self = shared_from_this()](error_code error, size_t) {
      if (error) {
        self->Fail(error.message());
      } else if (!self->is_over_) {
        self->ReadTcpLength();
      }
    });
  }

  void ReadTcpLength() {
    asio::async_read(tcp_, asio::buffer(length_),
                     [self = shared_from_this()](error_code error, size_t) {
                       if (error) {
                         self->Fail("the connection ended before the answer");
                       } else if (!self->is_over_) {
                         self->ReadTcpAnswer();
                       }
                     });
  }

  void ReadTcpAnswer() {
    answer_.resize(static_cast<size_t>(length_[0]) << 8 | length_[1]);
    asio::async_read(tcp_, asio::buffer(answer_),
                     [self = shared_from_this()](error_code error, size_t) {
                       if (error) {
                         self->Fail("the connection ended within the answer");
                       } else if (!self->is_over_ && !self->request_.is_answer(self->answer_)) {
                         self->Fail("the answer does not belong to the question");
                       } else if (!self->is_over_) {
                         self->Finish(std::move(self->answer_));
                       }
                     });
  }

  const ExchangeRequest request_;
  ExchangeDone done_;  // null when it ran or shall not run
  bool is_over_ = false;
  const Duration udp_wait_;
  asio::ip::udp::socket udp_;
  asio::ip::tcp::socket tcp_;
  asio::steady_timer deadline_;
  asio::steady_timer udp_timer_;
  int udp_tries_ = 0;
  bool is_tcp_ = false;
  bool may_have_arrived_ = false;
  std::array<uint8_t, 2> length_{};  // before a message on TCP, most significant byte first
  Bytes answer_;
};

absl::Status BadServer(absl::string_view text) {
  return WithInfo(
      absl::InvalidArgumentError(absl::StrCat("invalid DNS server \"", text, "\"")),
      {"dns-bad-server", "",
       "Write an address with an optional port: 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53."});
}

}  // namespace

std::string DnsServer::ToString() const {
  return address.is_v6() ? absl::StrCat("[", address.to_string(), "]:", port)
                         : absl::StrCat(address.to_string(), ":", port);
}

absl::StatusOr<DnsServer> ParseDnsServer(absl::string_view text) {
  absl::string_view host = text;
  absl::string_view port = "53";
  const size_t colon = text.rfind(':');
  const size_t bracket = text.find(']');
  if (!text.empty() && text.front() == '[' && bracket != absl::string_view::npos) {
    host = text.substr(1, bracket - 1);
    const absl::string_view rest = text.substr(bracket + 1);
    if (!rest.empty() && rest.front() != ':') {
      return BadServer(text);
    }
    port = rest.empty() ? port : rest.substr(1);
  } else if (colon != absl::string_view::npos && text.find(':') == colon) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  DnsServer server;
  error_code error;
  server.address = asio::ip::make_address(std::string(host), error);
  uint32_t number = 0;
  if (error || !absl::SimpleAtoi(port, &number) || number == 0 || number > 65535) {
    return BadServer(text);
  }
  server.port = static_cast<uint16_t>(number);
  return server;
}

std::shared_ptr<Exchange> StartExchange(asio::io_context& io,
                                        ExchangeRequest request,
                                        ExchangeDone done) {
  auto exchange = std::make_shared<SocketExchange>(io, std::move(request), std::move(done));
  exchange->Start();
  return exchange;
}

}  // namespace pgmahout::controller
