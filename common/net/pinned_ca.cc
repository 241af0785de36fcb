// SPDX-License-Identifier: Apache-2.0
// FetchPinnedCa: the first contact of a node with its controller, trusted by a public key's hash.
//
// Every wait has the same deadline, also the name lookup. OpenSSL works on memory only: bytes go
// over a non-blocking socket with MSG_NOSIGNAL, so that a peer that hangs up raises no SIGPIPE.
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/net/openssl.h"
#include "common/net/pki.h"

namespace pgmahout {
namespace {

using Addresses = std::unique_ptr<addrinfo, ssl::Deleter<freeaddrinfo>>;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}

  ~Socket() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }

  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Socket& operator=(Socket&&) = delete;

  int fd() const { return fd_; }

 private:
  int fd_;
};

absl::Status TooLate() {
  return absl::DeadlineExceededError("no answer in time");
}

Duration Left(BootTime deadline) {
  return std::max(Duration{0}, deadline - SystemClock().Now());
}

// Blocks as long as the resolver likes; runs on a thread of its own.
absl::StatusOr<Addresses> LookUp(const std::string& host, uint16_t port) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &wanted, &found);
  if (code != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot resolve \"", host, "\": ", gai_strerror(code)));
  }
  return Addresses(found);
}

absl::StatusOr<Addresses> LookUpBefore(BootTime deadline, const std::string& host, uint16_t port) {
  std::packaged_task<absl::StatusOr<Addresses>()> task([host, port] { return LookUp(host, port); });
  std::future<absl::StatusOr<Addresses>> result = task.get_future();
  // Detached: getaddrinfo() cannot be interrupted. It owns all it uses, and its answer is dropped
  // when nobody waits any more.
  std::thread(std::move(task)).detach();
  if (result.wait_for(Left(deadline)) != std::future_status::ready) {
    return absl::DeadlineExceededError(absl::StrCat("the lookup of \"", host, "\" takes too long"));
  }
  return result.get();
}

absl::Status WaitFor(const Socket& socket, short events, BootTime deadline) {
  while (true) {
    pollfd entry{socket.fd(), events, 0};
    const int ready = poll(&entry, 1, static_cast<int>(Left(deadline).count()));
    if (ready > 0) {
      return absl::OkStatus();
    }
    if (ready == 0) {
      return TooLate();
    }
    if (errno != EINTR) {
      return ErrnoStatus(errno, "cannot wait for a socket");
    }
  }
}

absl::StatusOr<Socket> Connect(const addrinfo& address, BootTime deadline) {
  Socket one(socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (one.fd() < 0) {
    return ErrnoStatus(errno, "cannot make a socket");
  }
  if (connect(one.fd(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) {
      return ErrnoStatus(errno, "cannot connect");
    }
    PGM_RETURN_IF_ERROR(WaitFor(one, POLLOUT, deadline));
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(one.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
      return ErrnoStatus(error != 0 ? error : errno, "cannot connect");
    }
  }
  return one;
}

// Each address gets its share of the time, so that one that swallows packets leaves some for the
// others.
absl::StatusOr<Socket> ConnectToAny(const addrinfo* addresses, BootTime deadline) {
  int64_t remaining = 0;
  for (const addrinfo* address = addresses; address != nullptr; address = address->ai_next) {
    ++remaining;
  }
  absl::Status last = absl::UnavailableError("the name has no address");
  for (const addrinfo* address = addresses; address != nullptr; address = address->ai_next) {
    const BootTime share = SystemClock().Now() + Left(deadline) / remaining;
    --remaining;
    absl::StatusOr<Socket> connected = Connect(*address, share);
    if (connected.ok()) {
      return connected;
    }
    last = connected.status();
  }
  return last;
}

// Sends what OpenSSL wrote.
absl::Status Flush(BIO* outgoing, const Socket& socket, BootTime deadline) {
  const std::string bytes = ssl::TextOf(outgoing);
  BIO_reset(outgoing);
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(socket.fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n >= 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      PGM_RETURN_IF_ERROR(WaitFor(socket, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return ErrnoStatus(errno, "cannot send");
    }
  }
  return absl::OkStatus();
}

// Gives OpenSSL what came in; waits until something does.
absl::Status Fill(BIO* incoming, const Socket& socket, BootTime deadline) {
  std::array<char, 16 * 1024> buffer{};
  PGM_RETURN_IF_ERROR(WaitFor(socket, POLLIN, deadline));
  const ssize_t n = recv(socket.fd(), buffer.data(), buffer.size(), 0);
  if (n < 0) {
    return errno == EINTR || errno == EAGAIN ? absl::OkStatus()
                                             : ErrnoStatus(errno, "cannot receive");
  }
  if (n == 0) {
    return absl::UnavailableError("the other side closed the connection");
  }
  PGM_CHECK(BIO_write(incoming, buffer.data(), static_cast<int>(n)) == n);
  return absl::OkStatus();
}

absl::Status Handshake(SSL* session, const Socket& socket, BootTime deadline) {
  while (true) {
    // A peer that sends a little now and then must not go on for ever.
    if (SystemClock().Now() >= deadline) {
      return TooLate();
    }
    ERR_clear_error();
    const int result = SSL_connect(session);
    const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(session, result);
    if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ) {
      return ssl::Failed(absl::StatusCode::kUnavailable, "it does not speak TLS as expected");
    }
    PGM_RETURN_IF_ERROR(Flush(SSL_get_wbio(session), socket, deadline));
    if (error == SSL_ERROR_NONE) {
      return absl::OkStatus();
    }
    PGM_RETURN_IF_ERROR(Fill(SSL_get_rbio(session), socket, deadline));
  }
}

// Nobody is trusted yet; the pin decides, before anything is sent.
ssl::Context NewContext() {
  ssl::Context context(SSL_CTX_new(TLS_client_method()));
  PGM_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kHttp2, sizeof(kHttp2));
  return context;
}

ssl::Session NewSession(const ssl::Context& context) {
  ssl::Session session(SSL_new(context.get()));
  PGM_CHECK(session != nullptr);
  SSL_set_tlsext_host_name(session.get(), "pgmahout-controller");
  SSL_set_bio(session.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  return session;
}

absl::Status Shake(SSL* session, const std::string& host, uint16_t port, BootTime deadline) {
  PGM_ASSIGN_OR_RETURN(const Addresses addresses, LookUpBefore(deadline, host, port));
  PGM_ASSIGN_OR_RETURN(const Socket socket, ConnectToAny(addresses.get(), deadline));
  return Handshake(session, socket, deadline);
}

std::string ToPem(X509* certificate) {
  const ssl::Bio bio(BIO_new(BIO_s_mem()));
  PGM_CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return ssl::TextOf(bio.get());
}

// Signed by itself, so its validity and constraints are the CA's own words, and signer of `leaf`.
bool IsCaOf(X509* leaf, X509* candidate) {
  EVP_PKEY* key = X509_get0_pubkey(candidate);
  const bool is_ca =
      key != nullptr && X509_verify(candidate, key) == 1 && X509_verify(leaf, key) == 1;
  ERR_clear_error();
  return is_ca;
}

struct Shown {
  std::string ca_pem;             // of the CA that was looked for; empty: not among them
  std::vector<std::string> pins;  // of all others, for people
};

Shown LookFor(SSL* session, const std::string& pin) {
  Shown shown;
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(session);
  X509* leaf = SSL_get0_peer_certificate(session);
  for (int i = 0; leaf != nullptr && i < sk_X509_num(chain); ++i) {
    X509* candidate = sk_X509_value(chain, i);
    std::string pem = ToPem(candidate);
    const auto its_pin = SpkiPinOf(pem);
    if (its_pin.ok() && ConstantTimeEquals(*its_pin, pin) && IsCaOf(leaf, candidate)) {
      shown.ca_pem = std::move(pem);
      return shown;
    }
    shown.pins.push_back(its_pin.ok() ? *its_pin : "unreadable");
  }
  return shown;
}

absl::Status WrongCa(const std::string& where,
                     const std::string& pin,
                     std::vector<std::string> pins) {
  constexpr size_t kMostPins = 4;  // a stranger must not fill the log
  const bool is_shown = std::find(pins.begin(), pins.end(), pin) != pins.end();
  pins.resize(std::min(pins.size(), kMostPins));
  return WithInfo(
      absl::PermissionDeniedError(
          absl::StrCat("controller ", where, " is not the one this token was made by")),
      ErrorInfo{"wrong-ca",
                absl::StrCat("The token expects a CA with public key ", pin, "; the server shows ",
                             absl::StrJoin(pins, ", "), ".",
                             is_shown ? " That CA did not sign what the server shows." : ""),
                "Check the controller's address, or make a token on this controller."});
}

}  // namespace

absl::StatusOr<std::string> FetchPinnedCa(const std::string& host,
                                          uint16_t port,
                                          const std::string& pin,
                                          Duration timeout) {
  const BootTime deadline = SystemClock().Now() + timeout;
  const std::string where = absl::StrCat(host, ":", port);
  absl::string_view bare = host;
  if (absl::ConsumePrefix(&bare, "[")) {  // "[::1]"
    absl::ConsumeSuffix(&bare, "]");
  }
  const ssl::Context context = NewContext();
  const ssl::Session session = NewSession(context);
  const absl::Status shaken = Shake(session.get(), std::string(bare), port, deadline);
  if (!shaken.ok()) {
    return WithInfo(absl::UnavailableError(absl::StrCat("cannot connect to controller ", where,
                                                        ": ", shaken.message())),
                    ErrorInfo{"controller-unreachable", "",
                              "Check the controller's address, that it runs, and the firewall."});
  }
  Shown shown = LookFor(session.get(), pin);
  if (shown.ca_pem.empty()) {
    return WrongCa(where, pin, std::move(shown.pins));
  }
  return std::move(shown.ca_pem);
}

}  // namespace pgmahout
