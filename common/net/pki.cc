// SPDX-License-Identifier: Apache-2.0
#include "common/net/pki.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/net/openssl.h"

namespace pgmahout {
namespace ssl {

absl::Status Failed(absl::StatusCode code, absl::string_view message) {
  std::array<char, 256> reason{};
  const unsigned long error = ERR_get_error();
  ERR_error_string_n(error, reason.data(), reason.size());
  ERR_clear_error();
  return absl::Status(
      code, error == 0 ? std::string(message) : absl::StrCat(message, ": ", reason.data()));
}

Bio ReadOnly(absl::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(length));
}

}  // namespace ssl

namespace {

constexpr absl::string_view kUriPrefix = "spiffe://pgmahout/";
constexpr int kCaDays = 3650;
constexpr int64_t kClockTolerance = 300;  // seconds; other machines' clocks may be behind

absl::string_view NameOf(IdentityKind kind) {
  switch (kind) {
    case IdentityKind::kNode:
      return "node";
    case IdentityKind::kAdmin:
      return "admin";
    case IdentityKind::kController:
      return "controller";
  }
  return "";
}

// For PEM that is encrypted. Without it OpenSSL would ask on the terminal, and a request from the
// network could make a daemon wait for a person.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) {
  return -1;
}

absl::StatusOr<ssl::Key> ReadKey(absl::string_view pem) {
  const ssl::Bio bio = ssl::ReadOnly(pem);
  ssl::Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, nullptr));
  if (key == nullptr) {
    return ssl::Failed(absl::StatusCode::kInvalidArgument, "cannot read a private key");
  }
  return key;
}

absl::StatusOr<ssl::Certificate> ReadCertificate(absl::string_view pem) {
  const ssl::Bio bio = ssl::ReadOnly(pem);
  ssl::Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, &NoPassphrase, nullptr));
  if (certificate == nullptr) {
    return ssl::Failed(absl::StatusCode::kInvalidArgument, "cannot read a certificate");
  }
  return certificate;
}

absl::StatusOr<ssl::Request> ReadRequest(absl::string_view pem) {
  const ssl::Bio bio = ssl::ReadOnly(pem);
  ssl::Request request(PEM_read_bio_X509_REQ(bio.get(), nullptr, &NoPassphrase, nullptr));
  if (request == nullptr) {
    return ssl::Failed(absl::StatusCode::kInvalidArgument, "cannot read a certificate request");
  }
  return request;
}

std::string ToPem(X509* certificate) {
  const ssl::Bio bio(BIO_new(BIO_s_mem()));
  PGM_CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return ssl::TextOf(bio.get());
}

std::string ToPem(EVP_PKEY* key) {
  const ssl::Bio bio(BIO_new(BIO_s_mem()));
  PGM_CHECK(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) ==
            1);
  return ssl::TextOf(bio.get());
}

ssl::Key NewKey() {
  return ssl::Key(EVP_EC_gen("P-256"));
}

std::string Hex(const unsigned char* bytes, size_t size) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes), size});
}

std::string Fingerprint256(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int length = i2d_PUBKEY(key, &der);
  PGM_CHECK(length > 0);
  std::string pin = Sha256Hex({reinterpret_cast<const char*>(der), static_cast<size_t>(length)});
  OPENSSL_free(der);
  return pin;
}

absl::Status AddExtension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  if (extension == nullptr) {
    return ssl::Failed(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("cannot put \"", value, "\" into a certificate"));
  }
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return absl::OkStatus();
}

// Nothing that OpenSSL's "URI:...,DNS:..." syntax would take for a further name.
absl::Status CheckPlainName(const std::string& name) {
  if (name.empty() || name.find_first_of(std::string(", \t\r\n\0", 6)) != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" cannot be a name in a certificate"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AlternativeNames(const CertificateTerms& terms) {
  const std::string uri = FormatIdentity(terms.identity);
  PGM_RETURN_IF_ERROR(CheckPlainName(uri));
  PGM_RETURN_IF_ERROR(ParseIdentity(uri).status());
  std::string value = absl::StrCat("URI:", uri);
  for (const auto& [prefix, names] :
       {std::pair{",DNS:", terms.dns_names}, std::pair{",IP:", terms.ip_addresses}}) {
    for (const std::string& name : names) {
      PGM_RETURN_IF_ERROR(CheckPlainName(name));
      absl::StrAppend(&value, prefix, name);
    }
  }
  return value;
}

void SetCommonName(X509* certificate, const std::string& name) {
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.data()),
                             static_cast<int>(name.size()), -1, 0);
}

void SetSerialAndTimes(X509* certificate, int64_t now_ms, int days) {
  std::array<unsigned char, 16> serial{};
  PGM_CHECK(RAND_bytes(serial.data(), static_cast<int>(serial.size())) == 1);
  serial[0] &= 0x7f;  // RFC 5280, 4.1.2.2: a positive number
  BIGNUM* number = BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  const auto now = static_cast<time_t>(now_ms / 1000);
  ASN1_TIME_set(X509_getm_notBefore(certificate), now - kClockTolerance);
  ASN1_TIME_set(X509_getm_notAfter(certificate), now + time_t{days} * 24 * 3600);
}

// A named curve only: peers refuse certificates that spell the curve's parameters out.
bool IsNamedP256(EVP_PKEY* key) {
  std::array<char, 64> group{};
  int spelt_out = 0;
  const bool named =
      EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
      EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1 &&
      EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelt_out) == 1;
  ERR_clear_error();
  return named && spelt_out == 0 && absl::string_view(group.data()) == SN_X9_62_prime256v1;
}

absl::Status CheckStrength(EVP_PKEY* key) {
  const bool is_strong_rsa =
      EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= 2048;
  if (is_strong_rsa || IsNamedP256(key)) {
    return absl::OkStatus();
  }
  return WithHint(absl::InvalidArgumentError("the key of the certificate request is neither P-256 "
                                             "nor RSA with at least 2048 bits"),
                  "Make the request with a new key of one of these kinds.");
}

class OpenSslAuthority : public CertificateAuthority {
 public:
  OpenSslAuthority(ssl::Key key, ssl::Certificate certificate)
      : key_(std::move(key)),
        certificate_(std::move(certificate)),
        pem_(ToPem(certificate_.get())) {}

  const std::string& certificate_pem() const override { return pem_; }

  absl::StatusOr<std::string> SignRequest(const std::string& request_pem,
                                          const CertificateTerms& terms) const override {
    PGM_ASSIGN_OR_RETURN(const ssl::Request request, ReadRequest(request_pem));
    EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
    if (key == nullptr) {
      return ssl::Failed(absl::StatusCode::kInvalidArgument,
                         "the certificate request has no key that can be used");
    }
    PGM_RETURN_IF_ERROR(CheckStrength(key));
    if (X509_REQ_verify(request.get(), key) != 1) {
      return ssl::Failed(absl::StatusCode::kPermissionDenied,
                         "the certificate request does not prove possession of its key");
    }
    return Sign(key, terms);
  }

 private:
  absl::StatusOr<std::string> Sign(EVP_PKEY* key, const CertificateTerms& terms) const {
    const ssl::Certificate certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    SetSerialAndTimes(certificate.get(), terms.now_ms, terms.days);
    SetCommonName(certificate.get(), terms.identity.name);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
    X509_set_pubkey(certificate.get(), key);
    PGM_ASSIGN_OR_RETURN(const std::string names, AlternativeNames(terms));
    X509* issuer = certificate_.get();
    PGM_RETURN_IF_ERROR(
        AddExtension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE"));
    PGM_RETURN_IF_ERROR(AddExtension(certificate.get(), issuer, NID_key_usage,
                                     "critical,digitalSignature,keyAgreement,keyEncipherment"));
    PGM_RETURN_IF_ERROR(
        AddExtension(certificate.get(), issuer, NID_ext_key_usage, "serverAuth,clientAuth"));
    PGM_RETURN_IF_ERROR(AddExtension(certificate.get(), issuer, NID_subject_alt_name, names));
    if (X509_sign(certificate.get(), key_.get(), EVP_sha256()) == 0) {
      return ssl::Failed(absl::StatusCode::kInternal, "cannot sign a certificate");
    }
    return ToPem(certificate.get());
  }

  ssl::Key key_;
  ssl::Certificate certificate_;
  std::string pem_;
};

absl::StatusOr<std::unique_ptr<CertificateAuthority>> MakePair(const std::string& key_pem,
                                                               const std::string& certificate_pem,
                                                               const std::string& directory) {
  absl::StatusOr<ssl::Key> key = ReadKey(key_pem);
  if (!key.ok()) {
    return Annotate(key.status(), absl::StrCat("\"", directory, "/ca.key\""));
  }
  absl::StatusOr<ssl::Certificate> certificate = ReadCertificate(certificate_pem);
  if (!certificate.ok()) {
    return Annotate(certificate.status(), absl::StrCat("\"", directory, "/ca.crt\""));
  }
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    ERR_clear_error();
    return absl::FailedPreconditionError(
        absl::StrCat("\"", directory, "/ca.key\" is not the key of \"", directory, "/ca.crt\""));
  }
  return std::unique_ptr<CertificateAuthority>(
      std::make_unique<OpenSslAuthority>(*std::move(key), *std::move(certificate)));
}

absl::Status WithBackupHint(const absl::Status& status, const std::string& directory) {
  return WithHint(status, absl::StrCat("Restore both ca.key and ca.crt in \"", directory,
                                       "\" from a backup. Every node and admin trusts this CA, so "
                                       "it is never made anew over an old one. If no node ever "
                                       "joined, remove what is left of the two and start again."));
}

absl::Status MakeAuthority(const std::string& key_path,
                           const std::string& certificate_path,
                           int64_t now_ms) {
  const ssl::Key key = NewKey();
  const ssl::Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  SetSerialAndTimes(certificate.get(), now_ms, kCaDays);
  SetCommonName(certificate.get(), absl::StrCat("pgmahout CA ", RandomHex(4)));
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  X509_set_pubkey(certificate.get(), key.get());
  PGM_RETURN_IF_ERROR(AddExtension(certificate.get(), certificate.get(), NID_basic_constraints,
                                   "critical,CA:TRUE,pathlen:0"));
  PGM_RETURN_IF_ERROR(AddExtension(certificate.get(), certificate.get(), NID_key_usage,
                                   "critical,keyCertSign,cRLSign"));
  PGM_RETURN_IF_ERROR(
      AddExtension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash"));
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) {
    return ssl::Failed(absl::StatusCode::kInternal, "cannot sign the CA's certificate");
  }
  PGM_RETURN_IF_ERROR(WriteFileDurably(key_path, ToPem(key.get()), 0600));
  return WriteFileDurably(certificate_path, ToPem(certificate.get()), 0644);
}

}  // namespace

std::string FormatIdentity(const Identity& identity) {
  return absl::StrCat(kUriPrefix, NameOf(identity.kind), "/", identity.name);
}

absl::StatusOr<Identity> ParseIdentity(absl::string_view uri) {
  absl::string_view rest = uri;
  if (absl::ConsumePrefix(&rest, kUriPrefix)) {
    for (const IdentityKind kind :
         {IdentityKind::kNode, IdentityKind::kAdmin, IdentityKind::kController}) {
      absl::string_view name = rest;
      if (absl::ConsumePrefix(&name, absl::StrCat(NameOf(kind), "/")) && !name.empty() &&
          !absl::StrContains(name, '/')) {
        return Identity{kind, std::string(name)};
      }
    }
  }
  return absl::PermissionDeniedError(absl::StrCat("\"", uri, "\" is no identity of pgmahout"));
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> CertificateAuthority::LoadOrCreate(
    const std::string& directory, int64_t now_ms) {
  const std::string key_path = directory + "/ca.key";
  const std::string certificate_path = directory + "/ca.crt";
  absl::StatusOr<std::string> key_pem = ReadFile(key_path);
  absl::StatusOr<std::string> certificate_pem = ReadFile(certificate_path);
  if (absl::IsNotFound(key_pem.status()) && absl::IsNotFound(certificate_pem.status())) {
    PGM_RETURN_IF_ERROR(MakeAuthority(key_path, certificate_path, now_ms));
    key_pem = ReadFile(key_path);
    certificate_pem = ReadFile(certificate_path);
  }
  for (const absl::Status& status : {key_pem.status(), certificate_pem.status()}) {
    if (absl::IsNotFound(status)) {
      return WithBackupHint(status, directory);
    }
    if (!status.ok()) {
      return WithHint(status, "Make the file readable for the user that the controller runs as.");
    }
  }
  auto authority = MakePair(*key_pem, *certificate_pem, directory);
  if (!authority.ok()) {
    return WithBackupHint(authority.status(), directory);
  }
  return authority;
}

absl::Status CheckKeyPair(const std::string& key_pem, const std::string& certificate_pem) {
  const absl::StatusOr<ssl::Key> key = ReadKey(key_pem);
  if (!key.ok()) {
    return absl::DataLossError(absl::StrCat("the key is damaged: ", key.status().message()));
  }
  const absl::StatusOr<ssl::Certificate> certificate = ReadCertificate(certificate_pem);
  if (!certificate.ok()) {
    return absl::DataLossError(
        absl::StrCat("the certificate is damaged: ", certificate.status().message()));
  }
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    ERR_clear_error();
    return absl::FailedPreconditionError("the key is that of another certificate");
  }
  return absl::OkStatus();
}

absl::StatusOr<KeyAndCertificate> CertificateAuthority::Issue(const CertificateTerms& terms) const {
  KeyAndCertificate issued;
  PGM_ASSIGN_OR_RETURN(issued.key_pem, GeneratePrivateKey());
  PGM_ASSIGN_OR_RETURN(const std::string request, MakeRequest(issued.key_pem));
  PGM_ASSIGN_OR_RETURN(issued.certificate_pem, SignRequest(request, terms));
  return issued;
}

absl::StatusOr<std::string> GeneratePrivateKey() {
  const ssl::Key key = NewKey();
  if (key == nullptr) {
    return ssl::Failed(absl::StatusCode::kInternal, "cannot make a private key");
  }
  return ToPem(key.get());
}

absl::StatusOr<std::string> MakeRequest(const std::string& key_pem) {
  PGM_ASSIGN_OR_RETURN(const ssl::Key key, ReadKey(key_pem));
  const ssl::Request request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), key.get());
  if (X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0) {
    return ssl::Failed(absl::StatusCode::kInternal, "cannot sign a certificate request");
  }
  const ssl::Bio bio(BIO_new(BIO_s_mem()));
  PGM_CHECK(PEM_write_bio_X509_REQ(bio.get(), request.get()) == 1);
  return ssl::TextOf(bio.get());
}

absl::StatusOr<std::string> RequestKeyFingerprint(const std::string& request_pem) {
  PGM_ASSIGN_OR_RETURN(const ssl::Request request, ReadRequest(request_pem));
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr) {
    return ssl::Failed(absl::StatusCode::kInvalidArgument, "the certificate request has no key");
  }
  return Fingerprint256(key);
}

absl::StatusOr<Identity> IdentityOf(const std::string& certificate_pem) {
  PGM_ASSIGN_OR_RETURN(const ssl::Certificate certificate, ReadCertificate(certificate_pem));
  const ssl::Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_URI) {
      const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
      return ParseIdentity({reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                            static_cast<size_t>(ASN1_STRING_length(uri))});
    }
  }
  return absl::PermissionDeniedError("the certificate names no identity");
}

absl::StatusOr<int64_t> CertificateNotAfter(const std::string& certificate_pem) {
  PGM_ASSIGN_OR_RETURN(const ssl::Certificate certificate, ReadCertificate(certificate_pem));
  tm utc{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &utc) != 1) {
    return ssl::Failed(absl::StatusCode::kInvalidArgument, "the certificate has no end");
  }
  return int64_t{timegm(&utc)} * 1000;
}

absl::StatusOr<std::string> SpkiPinOf(const std::string& certificate_pem) {
  PGM_ASSIGN_OR_RETURN(const ssl::Certificate certificate, ReadCertificate(certificate_pem));
  EVP_PKEY* key = X509_get0_pubkey(certificate.get());
  if (key == nullptr) {  // strangers may show keys of any kind
    return ssl::Failed(absl::StatusCode::kInvalidArgument,
                       "the certificate has no key that can be read");
  }
  return Fingerprint256(key);
}

std::string RandomHex(size_t bytes) {
  std::string random(bytes, '\0');
  PGM_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), static_cast<int>(bytes)) ==
            1);
  return absl::BytesToHexString(random);
}

std::string Sha256Hex(absl::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return Hex(digest.data(), digest.size());
}

bool ConstantTimeEquals(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace pgmahout
