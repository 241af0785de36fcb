// SPDX-License-Identifier: Apache-2.0
// FetchPinnedCa against servers in this process: honest, false, silent, slow and broken ones.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/net/openssl.h"
#include "common/net/pki.h"
#include "tests/unit/net/temporary_directory.h"

namespace pgmahout {
namespace {

using ::testing::HasSubstr;

constexpr Duration kLong{20'000};
constexpr Duration kShort{300};

// Accepts on 127.0.0.1 and gives each connection to `serve`, one after the other.
class Server {
 public:
  explicit Server(std::function<void(int fd)> serve) : serve_(std::move(serve)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    socklen_t size = sizeof(address);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }

  ~Server() {
    over_ = true;
    thread_.join();
    close(listener_);
  }

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const { return port_; }

  const std::atomic<bool>& over() const { return over_; }

 private:
  void Run() {
    // OpenSSL as a server may write to a client that is gone. Only this thread is spared SIGPIPE:
    // the client under test must not raise it.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (!over_) {
      pollfd entry{listener_, POLLIN, 0};
      if (poll(&entry, 1, 20) > 0) {
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        serve_(fd);
        close(fd);
      }
    }
  }

  std::function<void(int)> serve_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

ssl::Certificate Parse(const std::string& pem) {
  const ssl::Bio bio = ssl::ReadOnly(pem);
  return ssl::Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

// One TLS handshake as the holder of `own`, showing `shown` besides.
void ServeTls(int fd, const KeyAndCertificate& own, const std::string& shown) {
  const ssl::Context context(SSL_CTX_new(TLS_server_method()));
  const ssl::Bio key_bio = ssl::ReadOnly(own.key_pem);
  const ssl::Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  SSL_CTX_set_security_level(context.get(), 0);  // also shows what no decent server would
  SSL_CTX_use_certificate(context.get(), Parse(own.certificate_pem).get());
  SSL_CTX_use_PrivateKey(context.get(), key.get());
  if (!shown.empty()) {
    SSL_CTX_add1_chain_cert(context.get(), Parse(shown).get());
  } else {
    SSL_CTX_set_mode(context.get(), SSL_MODE_NO_AUTO_CHAIN);
  }
  const ssl::Session session(SSL_new(context.get()));
  SSL_set_fd(session.get(), fd);
  if (SSL_accept(session.get()) == 1) {
    char byte = 0;
    SSL_read(session.get(), &byte, 1);  // until the client hangs up
  }
}

class FetchPinnedCaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    authority_ =
        *CertificateAuthority::LoadOrCreate(directory_.path(), SystemClock().WallMilliseconds());
    terms_.identity = Identity{IdentityKind::kController, "main"};
    terms_.dns_names = {"pgmahout-controller"};
    terms_.now_ms = SystemClock().WallMilliseconds();
    own_ = *authority_->Issue(terms_);
    pin_ = *SpkiPinOf(authority_->certificate_pem());
  }

  testing::TemporaryDirectory directory_;
  std::unique_ptr<CertificateAuthority> authority_;
  CertificateTerms terms_;
  KeyAndCertificate own_;
  std::string pin_;
};

TEST_F(FetchPinnedCaTest, ReturnsTheCaWithThePin) {
  const Server server([&](int fd) { ServeTls(fd, own_, authority_->certificate_pem()); });
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const auto ca = FetchPinnedCa(host, server.port(), pin_, kLong);
    ASSERT_TRUE(ca.ok()) << ca.status();
    EXPECT_EQ(*ca, authority_->certificate_pem());
  }
}

TEST_F(FetchPinnedCaTest, RefusesAServerOfAnotherCa) {
  const Server server([&](int fd) { ServeTls(fd, own_, authority_->certificate_pem()); });
  const std::string wrong_pin = Sha256Hex("another key");
  const auto ca = FetchPinnedCa("127.0.0.1", server.port(), wrong_pin, kLong);
  ASSERT_EQ(ca.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(InfoOf(ca.status()).detail, HasSubstr(wrong_pin)) << "what the token wants";
  EXPECT_THAT(InfoOf(ca.status()).detail, HasSubstr(pin_)) << "what the server has";
  EXPECT_EQ(InfoOf(ca.status()).reason, "wrong-ca");
  EXPECT_THAT(std::string(ca.status().message()),
              HasSubstr(absl::StrCat("127.0.0.1:", server.port())));
  EXPECT_EQ(FetchPinnedCa("127.0.0.1", server.port(), "", kLong).status().code(),
            absl::StatusCode::kPermissionDenied);
}

// The CA's certificate is no secret: showing it proves nothing.
TEST_F(FetchPinnedCaTest, RefusesAServerThatOnlyShowsThePinnedCa) {
  const testing::TemporaryDirectory other;
  const auto impostor =
      *CertificateAuthority::LoadOrCreate(other.path(), SystemClock().WallMilliseconds());
  const KeyAndCertificate forged = *impostor->Issue(terms_);
  const Server server([&](int fd) { ServeTls(fd, forged, authority_->certificate_pem()); });
  const auto ca = FetchPinnedCa("127.0.0.1", server.port(), pin_, kLong);
  EXPECT_EQ(ca.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(InfoOf(ca.status()).detail, HasSubstr("did not sign"));
}

// Any node holds a certificate of this CA; the CA's terms must not become what that node says.
TEST_F(FetchPinnedCaTest, RefusesACaCertificateThatWasChanged) {
  const ssl::Certificate changed = Parse(authority_->certificate_pem());
  ASN1_TIME* later = ASN1_TIME_set(nullptr, time_t{4'000'000'000});
  X509_set1_notAfter(changed.get(), later);
  ASN1_TIME_free(later);
  i2d_re_X509_tbs(changed.get(), nullptr);  // else the bytes from before are written
  const ssl::Bio bio(BIO_new(BIO_s_mem()));
  ASSERT_EQ(PEM_write_bio_X509(bio.get(), changed.get()), 1);
  const std::string changed_pem = ssl::TextOf(bio.get());
  ASSERT_NE(changed_pem, authority_->certificate_pem());
  ASSERT_EQ(*SpkiPinOf(changed_pem), pin_);
  const Server server([&](int fd) { ServeTls(fd, own_, changed_pem); });
  EXPECT_EQ(FetchPinnedCa("127.0.0.1", server.port(), pin_, kLong).status().code(),
            absl::StatusCode::kPermissionDenied);
}

// A certificate whose public key is of a kind that OpenSSL does not know.
std::string WithUnknownKey(const std::string& pem) {
  const ssl::Certificate certificate = Parse(pem);
  X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(certificate.get()), OBJ_txt2obj("1.2.3.4.5", 1),
                         V_ASN1_UNDEF, nullptr, static_cast<unsigned char*>(OPENSSL_zalloc(32)),
                         32);
  i2d_re_X509_tbs(certificate.get(), nullptr);
  const ssl::Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate.get());
  return ssl::TextOf(bio.get());
}

TEST_F(FetchPinnedCaTest, SurvivesACertificateWithAKeyThatNobodyKnows) {
  const std::string strange = WithUnknownKey(authority_->certificate_pem());
  ASSERT_EQ(X509_get0_pubkey(Parse(strange).get()), nullptr);
  EXPECT_EQ(SpkiPinOf(strange).status().code(), absl::StatusCode::kInvalidArgument);
  const Server server([&](int fd) { ServeTls(fd, own_, strange); });
  const auto ca = FetchPinnedCa("127.0.0.1", server.port(), pin_, kLong);
  ASSERT_EQ(ca.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(InfoOf(ca.status()).detail, HasSubstr("unreadable")) << "it was not shown";
}

TEST_F(FetchPinnedCaTest, RefusesAServerThatDoesNotShowItsCa) {
  const Server server([&](int fd) { ServeTls(fd, own_, ""); });
  EXPECT_EQ(FetchPinnedCa("127.0.0.1", server.port(), pin_, kLong).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(FetchPinnedCaTest, SaysWhomItCouldNotReach) {
  const int reserved = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);  // bound, not listening
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  ASSERT_EQ(bind(reserved, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  socklen_t size = sizeof(address);
  getsockname(reserved, reinterpret_cast<sockaddr*>(&address), &size);
  const uint16_t port = ntohs(address.sin_port);
  const auto ca = FetchPinnedCa("127.0.0.1", port, pin_, kLong);
  close(reserved);
  ASSERT_EQ(ca.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(ca.status().message()), HasSubstr(absl::StrCat("127.0.0.1:", port)));
  EXPECT_THAT(std::string(ca.status().message()), HasSubstr("refused"));
  EXPECT_NE(InfoOf(ca.status()).hint, "");
}

TEST_F(FetchPinnedCaTest, SaysWhichNameItCouldNotResolve) {
  const auto ca = FetchPinnedCa("no-such-host.invalid", 7400, pin_, kLong);
  ASSERT_EQ(ca.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(ca.status().message()), HasSubstr("no-such-host.invalid"));
}

TEST_F(FetchPinnedCaTest, SurvivesAServerThatHangsUp) {
  const Server server([](int fd) {
    const linger at_once{1, 0};  // a reset instead of a farewell
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(FetchPinnedCa("127.0.0.1", server.port(), pin_, kLong).status().code(),
              absl::StatusCode::kUnavailable);
  }
}

TEST_F(FetchPinnedCaTest, TakesAServerWithoutTlsForNoController) {
  const Server server([](int fd) {
    constexpr char kHttp[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    send(fd, kHttp, sizeof(kHttp) - 1, MSG_NOSIGNAL);
    char byte = 0;
    while (recv(fd, &byte, 1, 0) > 0) {
    }
  });
  EXPECT_EQ(FetchPinnedCa("127.0.0.1", server.port(), pin_, kLong).status().code(),
            absl::StatusCode::kUnavailable);
}

// Until the client gives up.
void Swallow(int fd) {
  char byte = 0;
  while (recv(fd, &byte, 1, 0) > 0) {
  }
}

TEST_F(FetchPinnedCaTest, WaitsForASilentServerNoLongerThanItMay) {
  const Server server(&Swallow);
  const BootTime begin = SystemClock().Now();
  const auto ca = FetchPinnedCa("127.0.0.1", server.port(), pin_, kShort);
  const Duration took = SystemClock().Now() - begin;
  EXPECT_EQ(ca.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_GE(took, kShort);
  EXPECT_LT(took, Duration{10'000});
}

// Each byte arrives in time, but the handshake never ends.
TEST_F(FetchPinnedCaTest, WaitsForADrippingServerNoLongerThanItMay) {
  const Server server([](int fd) {
    // A TLS record of 16384 bytes, a handshake message, of which one byte comes at a time.
    constexpr unsigned char kHeader[] = {22, 3, 3, 64, 0};
    send(fd, kHeader, sizeof(kHeader), MSG_NOSIGNAL);
    pollfd hung_up{fd, POLLRDHUP, 0};
    while (poll(&hung_up, 1, 10) == 0 && send(fd, "\2", 1, MSG_NOSIGNAL) == 1) {
    }
  });
  const BootTime begin = SystemClock().Now();
  const auto ca = FetchPinnedCa("127.0.0.1", server.port(), pin_, kShort);
  const Duration took = SystemClock().Now() - begin;
  EXPECT_EQ(ca.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(ca.status().message()), HasSubstr("in time"));
  EXPECT_LT(took, Duration{10'000});
}

}  // namespace
}  // namespace pgmahout
