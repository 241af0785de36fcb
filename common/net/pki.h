// SPDX-License-Identifier: Apache-2.0
// The controller's certificate authority, and the few things around X.509 that agents need.
//
// P-256 keys, SHA-256 signatures. An identity is a URI in the certificate's subject alternative
// name ("spiffe://pgmahout/node/db1"); the rest of a certificate request is ignored. Functions are
// thread-safe; private keys are PEM text and never appear in errors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"

namespace pgmahout {

enum class IdentityKind { kNode, kAdmin, kController };

struct Identity {
  IdentityKind kind = IdentityKind::kNode;
  std::string name;

  friend bool operator==(const Identity&, const Identity&) = default;
};

// "spiffe://pgmahout/node/db1".
std::string FormatIdentity(const Identity& identity);
absl::StatusOr<Identity> ParseIdentity(absl::string_view uri);

struct KeyAndCertificate {
  std::string key_pem;
  std::string certificate_pem;
};

// What a certificate is to say.
struct CertificateTerms {
  Identity identity;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  int days = 90;
  int64_t now_ms = 0;  // wall clock, milliseconds since the Unix epoch
};

class CertificateAuthority {
 public:
  // The CA in `directory` (ca.key, mode 0600, and ca.crt), made there if neither file exists. Half
  // a pair, or a key that does not belong to the certificate, is refused and never overwritten.
  static absl::StatusOr<std::unique_ptr<CertificateAuthority>> LoadOrCreate(
      const std::string& directory, int64_t now_ms);

  virtual ~CertificateAuthority() = default;

  virtual const std::string& certificate_pem() const = 0;

  // A certificate for the key of `request_pem`. The request's own names and extensions are ignored.
  // InvalidArgument unless the key is P-256 or RSA with 2048 bits or more; PermissionDenied if the
  // request does not prove that the sender holds the key.
  virtual absl::StatusOr<std::string> SignRequest(const std::string& request_pem,
                                                  const CertificateTerms& terms) const = 0;

  // A key and its certificate, for ourselves.
  absl::StatusOr<KeyAndCertificate> Issue(const CertificateTerms& terms) const;
};

absl::StatusOr<std::string> GeneratePrivateKey();

// DataLoss unless both are whole; FailedPrecondition if the key is that of another certificate.
absl::Status CheckKeyPair(const std::string& key_pem, const std::string& certificate_pem);

// A certificate request that proves possession of the key.
absl::StatusOr<std::string> MakeRequest(const std::string& key_pem);

// SHA-256 of the request's public key, in hex.
absl::StatusOr<std::string> RequestKeyFingerprint(const std::string& request_pem);

absl::StatusOr<Identity> IdentityOf(const std::string& certificate_pem);

// When the certificate ends, in milliseconds since the Unix epoch.
absl::StatusOr<int64_t> CertificateNotAfter(const std::string& certificate_pem);

// SHA-256 of the certificate's public key (SubjectPublicKeyInfo), in hex: the pin of a join token.
absl::StatusOr<std::string> SpkiPinOf(const std::string& certificate_pem);

// Connects to host:port and returns the CA certificate among those the server shows, if its public
// key has `pin`, and it signed itself and the server's certificate. PermissionDenied for any other
// server, with the pins on both sides in the detail; Unavailable if nobody answers, or not in TLS.
// Blocks up to `timeout`, name lookup included. A node's certificate passes too: the CA is proven,
// not the controller, so nothing secret may follow without a check of the server's name.
absl::StatusOr<std::string> FetchPinnedCa(const std::string& host,
                                          uint16_t port,
                                          const std::string& pin,
                                          Duration timeout);

// `bytes` random bytes from the kernel, in hex.
std::string RandomHex(size_t bytes);

std::string Sha256Hex(absl::string_view text);

// Takes the same time wherever the texts differ.
bool ConstantTimeEquals(absl::string_view a, absl::string_view b);

}  // namespace pgmahout
