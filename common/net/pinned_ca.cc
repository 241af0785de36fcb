// SPDX-License-Identifier: Apache-2.0
// FetchPinnedCa: the first contact of a node with its controller, trusted by a public key's hash.
#include <openssl/err.h>
#include <openssl/pem.h>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/net/openssl.h"
#include "common/net/pki.h"

namespace pgmahout {
namespace {

std::string ToPem(X509* certificate) {
  const ssl::Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return ssl::TextOf(bio.get());
}

// The CA among `chain` that has `pin` and signed `leaf`; nullptr if there is none.
X509* FindPinned(STACK_OF(X509) * chain, X509* leaf, const std::string& pin) {
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* candidate = sk_X509_value(chain, i);
    const auto its_pin = SpkiPinOf(ToPem(candidate));
    if (its_pin.ok() && ConstantTimeEquals(*its_pin, pin) &&
        X509_verify(leaf, X509_get0_pubkey(candidate)) == 1) {
      return candidate;
    }
  }
  ERR_clear_error();
  return nullptr;
}

}  // namespace

absl::StatusOr<std::string> FetchPinnedCa(const std::string& host,
                                          uint16_t port,
                                          const std::string& pin,
                                          Duration timeout) {
  const std::string where = absl::StrCat(host, ":", port);
  const ssl::Context context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // Nobody is trusted yet; the pin decides below, before anything is sent.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kHttp2, sizeof(kHttp2));
  const ssl::Bio connection(BIO_new_ssl_connect(context.get()));
  SSL* session = nullptr;
  BIO_get_ssl(connection.get(), &session);
  BIO_set_conn_hostname(connection.get(), where.c_str());
  SSL_set_tlsext_host_name(session, "pgmahout-controller");
  const int seconds = static_cast<int>(timeout.count() / 1000) + 1;
  if (BIO_do_connect_retry(connection.get(), seconds, -1) != 1 ||
      BIO_do_handshake(connection.get()) != 1) {
    return ssl::Failed(absl::StatusCode::kUnavailable,
                       absl::StrCat("cannot connect to controller ", where));
  }
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(session);
  X509* leaf = SSL_get0_peer_certificate(session);
  X509* found = chain == nullptr || leaf == nullptr ? nullptr : FindPinned(chain, leaf, pin);
  if (found == nullptr) {
    return WithInfo(
        absl::PermissionDeniedError(
            absl::StrCat("controller ", where, " is not the one this token was made by")),
        ErrorInfo{"wrong-ca",
                  absl::StrCat("None of the certificates it shows has the public key ", pin, "."),
                  "Check the controller's address, or make a token on this controller."});
  }
  return ToPem(found);
}

}  // namespace pgmahout
