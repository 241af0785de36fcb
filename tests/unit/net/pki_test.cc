// SPDX-License-Identifier: Apache-2.0
// The certificate authority: what it signs, what it refuses, and that it never loses its key.
#include "common/net/pki.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "absl/strings/str_replace.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/net/openssl.h"
#include "tests/unit/net/temporary_directory.h"

namespace pgmahout {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kNow = 1'790'000'000'000;
constexpr int64_t kDay = 24 * 3600 * 1000;

ssl::Certificate Parse(const std::string& pem) {
  const ssl::Bio bio = ssl::ReadOnly(pem);
  return ssl::Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

std::string SubjectOf(const std::string& pem) {
  const ssl::Certificate certificate = Parse(pem);
  const ssl::Bio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate.get()), 0, XN_FLAG_RFC2253);
  return ssl::TextOf(bio.get());
}

std::string AlternativeNamesOf(const std::string& pem) {
  const ssl::Certificate certificate = Parse(pem);
  const int at = X509_get_ext_by_NID(certificate.get(), NID_subject_alt_name, -1);
  const ssl::Bio bio(BIO_new(BIO_s_mem()));
  X509V3_EXT_print(bio.get(), X509_get_ext(certificate.get(), at), 0, 0);
  return ssl::TextOf(bio.get());
}

// Whether `pem` is what a TLS peer that trusts `ca_pem` would accept at `at_ms`.
bool IsTrusted(const std::string& pem, const std::string& ca_pem, int64_t at_ms) {
  const ssl::Certificate certificate = Parse(pem);
  const ssl::Certificate ca = Parse(ca_pem);
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, ca.get());
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, certificate.get(), nullptr);
  X509_STORE_CTX_set_time(context, 0, static_cast<time_t>(at_ms / 1000));
  X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT);
  const bool trusted = X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return trusted;
}

CertificateTerms TermsFor(const Identity& identity) {
  CertificateTerms terms;
  terms.identity = identity;
  terms.days = 90;
  terms.now_ms = kNow;
  return terms;
}

CertificateTerms NodeTerms() {
  CertificateTerms terms = TermsFor(Identity{IdentityKind::kNode, "db1"});
  terms.ip_addresses = {"10.0.0.1", "fd00::1"};
  return terms;
}

// A request as somebody else's tool might write it, with names of its own.
std::string RequestWithNames(EVP_PKEY* key) {
  const ssl::Request request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), key);
  X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("root"), -1, -1, 0);
  STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
  for (const auto& [id, value] :
       {std::pair{NID_subject_alt_name, "URI:spiffe://pgmahout/admin/root,DNS:pgmahout-controller"},
        std::pair{NID_basic_constraints, "critical,CA:TRUE"}}) {
    sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(nullptr, nullptr, id, value));
  }
  X509_REQ_add_extensions(request.get(), extensions);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  X509_REQ_sign(request.get(), key, EVP_sha256());
  const ssl::Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  return ssl::TextOf(bio.get());
}

// The request with another key put in after it was signed.
std::string RequestWithStolenKey(const std::string& request_pem) {
  const ssl::Bio in = ssl::ReadOnly(request_pem);
  const ssl::Request request(PEM_read_bio_X509_REQ(in.get(), nullptr, nullptr, nullptr));
  const ssl::Key other(EVP_EC_gen("P-256"));
  X509_REQ_set_pubkey(request.get(), other.get());
  const ssl::Bio out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(out.get(), request.get());
  return ssl::TextOf(out.get());
}

class AuthorityTest : public ::testing::Test {
 protected:
  void SetUp() override { authority_ = Load(directory_.path()); }

  static std::unique_ptr<CertificateAuthority> Load(const std::string& directory) {
    auto loaded = CertificateAuthority::LoadOrCreate(directory, kNow);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return loaded.ok() ? *std::move(loaded) : nullptr;
  }

  std::string KeyFile() const { return directory_.path() + "/ca.key"; }

  std::string CertificateFile() const { return directory_.path() + "/ca.crt"; }

  testing::TemporaryDirectory directory_;
  std::unique_ptr<CertificateAuthority> authority_;
};

TEST_F(AuthorityTest, IsTheSameAfterARestart) {
  EXPECT_EQ(Load(directory_.path())->certificate_pem(), authority_->certificate_pem());
  EXPECT_EQ(*ReadFile(CertificateFile()), authority_->certificate_pem());
}

TEST_F(AuthorityTest, IsAnotherOneInAnotherDirectory) {
  const testing::TemporaryDirectory other;
  EXPECT_NE(*SpkiPinOf(Load(other.path())->certificate_pem()),
            *SpkiPinOf(authority_->certificate_pem()));
}

TEST_F(AuthorityTest, KeepsItsKeyForItsOwnerOnly) {
  struct stat about {};

  ASSERT_EQ(stat(KeyFile().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600);
}

TEST_F(AuthorityTest, RefusesHalfAPairAndMakesNothingAnew) {
  for (const std::string& lost : {KeyFile(), CertificateFile()}) {
    const std::string content = *ReadFile(lost);
    std::filesystem::remove(lost);
    const auto loaded = CertificateAuthority::LoadOrCreate(directory_.path(), kNow);
    ASSERT_EQ(loaded.status().code(), absl::StatusCode::kNotFound) << lost;
    EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(lost));
    EXPECT_THAT(InfoOf(loaded.status()).hint, HasSubstr("backup"));
    EXPECT_FALSE(std::filesystem::exists(lost));
    ASSERT_TRUE(WriteFileAtomically(lost, content, 0600).ok());
  }
}

// A backup does not help against a wrong owner or a wrong mode.
TEST_F(AuthorityTest, SaysNothingOfBackupsWhenAFileIsThereButCannotBeRead) {
  std::filesystem::remove(KeyFile());
  std::filesystem::create_directory(KeyFile());
  const auto loaded = CertificateAuthority::LoadOrCreate(directory_.path(), kNow);
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(KeyFile()));
  EXPECT_THAT(InfoOf(loaded.status()).hint, Not(HasSubstr("backup")));
  EXPECT_TRUE(std::filesystem::is_directory(KeyFile()));
}

TEST_F(AuthorityTest, RefusesAKeyThatBelongsToAnotherCertificate) {
  const testing::TemporaryDirectory other;
  Load(other.path());
  std::filesystem::copy_file(other.path() + "/ca.key", KeyFile(),
                             std::filesystem::copy_options::overwrite_existing);
  const auto loaded = CertificateAuthority::LoadOrCreate(directory_.path(), kNow);
  ASSERT_EQ(loaded.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(KeyFile()));
  EXPECT_NE(InfoOf(loaded.status()).hint, "");
}

TEST_F(AuthorityTest, RefusesDamagedFilesAndSaysWhich) {
  for (const std::string& damaged : {KeyFile(), CertificateFile()}) {
    const std::string content = *ReadFile(damaged);
    for (const std::string& text : {std::string(), content.substr(0, content.size() / 2)}) {
      ASSERT_TRUE(WriteFileAtomically(damaged, text, 0600).ok());
      const auto loaded = CertificateAuthority::LoadOrCreate(directory_.path(), kNow);
      ASSERT_FALSE(loaded.ok());
      EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(damaged));
      EXPECT_THAT(InfoOf(loaded.status()).hint, HasSubstr("backup"));
      EXPECT_EQ(*ReadFile(damaged), text);
    }
    ASSERT_TRUE(WriteFileAtomically(damaged, content, 0600).ok());
  }
}

TEST_F(AuthorityTest, IssuesWhatPeersTrustForAsLongAsItSays) {
  const auto issued = authority_->Issue(NodeTerms());
  ASSERT_TRUE(issued.ok()) << issued.status();
  const std::string& ca = authority_->certificate_pem();
  EXPECT_TRUE(IsTrusted(issued->certificate_pem, ca, kNow));
  EXPECT_TRUE(IsTrusted(issued->certificate_pem, ca, kNow - 60'000)) << "a clock behind ours";
  EXPECT_TRUE(IsTrusted(issued->certificate_pem, ca, kNow + 89 * kDay));
  EXPECT_FALSE(IsTrusted(issued->certificate_pem, ca, kNow + 91 * kDay));
  EXPECT_EQ(*CertificateNotAfter(issued->certificate_pem), kNow + 90 * kDay);
  const testing::TemporaryDirectory other;
  EXPECT_FALSE(IsTrusted(issued->certificate_pem, Load(other.path())->certificate_pem(), kNow));
}

TEST_F(AuthorityTest, AnIssuedCertificateSignsNoOthers) {
  const auto issued = authority_->Issue(NodeTerms());
  ASSERT_TRUE(issued.ok());
  EXPECT_EQ(X509_check_ca(Parse(issued->certificate_pem).get()), 0);
  EXPECT_EQ(X509_check_ca(Parse(authority_->certificate_pem()).get()), 1);
}

TEST_F(AuthorityTest, IgnoresEveryNameInTheRequest) {
  const ssl::Key key(EVP_EC_gen("P-256"));
  const auto signed_pem = authority_->SignRequest(RequestWithNames(key.get()), NodeTerms());
  ASSERT_TRUE(signed_pem.ok()) << signed_pem.status();
  EXPECT_EQ(*IdentityOf(*signed_pem), (Identity{IdentityKind::kNode, "db1"}));
  EXPECT_EQ(SubjectOf(*signed_pem), "CN=db1");
  const std::string names = AlternativeNamesOf(*signed_pem);
  EXPECT_THAT(names, HasSubstr("URI:spiffe://pgmahout/node/db1"));
  EXPECT_THAT(names, HasSubstr("IP Address:10.0.0.1"));
  EXPECT_THAT(names, Not(HasSubstr("root")));
  EXPECT_THAT(names, Not(HasSubstr("pgmahout-controller")));
  EXPECT_EQ(X509_check_ca(Parse(*signed_pem).get()), 0);
}

TEST_F(AuthorityTest, SignsTheKeyOfTheRequest) {
  const std::string key = *GeneratePrivateKey();
  const std::string request = *MakeRequest(key);
  const auto signed_pem = authority_->SignRequest(request, NodeTerms());
  ASSERT_TRUE(signed_pem.ok()) << signed_pem.status();
  EXPECT_EQ(*SpkiPinOf(*signed_pem), *RequestKeyFingerprint(request));
  EXPECT_NE(*RequestKeyFingerprint(*MakeRequest(*GeneratePrivateKey())),
            *RequestKeyFingerprint(request));
}

TEST_F(AuthorityTest, RefusesARequestThatDoesNotProveItsKey) {
  const std::string request = *MakeRequest(*GeneratePrivateKey());
  const auto signed_pem = authority_->SignRequest(RequestWithStolenKey(request), NodeTerms());
  EXPECT_EQ(signed_pem.status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(AuthorityTest, RefusesTextThatIsNoRequest) {
  const std::string request = *MakeRequest(*GeneratePrivateKey());
  for (const std::string& text :
       {std::string(), std::string("hello"), request.substr(0, request.size() / 2),
        authority_->certificate_pem(), *GeneratePrivateKey()}) {
    EXPECT_EQ(authority_->SignRequest(text, NodeTerms()).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

// OpenSSL would ask for a passphrase on the terminal, or else on stdin, and the controller would
// wait for a person because of a message from the network.
TEST_F(AuthorityTest, AsksNobodyForAPassphrase) {
  const std::string encrypted =
      absl::StrReplaceAll(*MakeRequest(*GeneratePrivateKey()),
                          {{"REQUEST-----\nM",
                            "REQUEST-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,"
                            "00000000000000000000000000000000\n\nM"}});
  ASSERT_THAT(encrypted, HasSubstr("ENCRYPTED"));
  const int old_stdin = dup(STDIN_FILENO);
  std::array<int, 2> typed{};
  ASSERT_EQ(pipe(typed.data()), 0);
  ASSERT_EQ(write(typed[1], "secret\n", 7), 7);
  dup2(typed[0], STDIN_FILENO);
  const auto signed_pem = authority_->SignRequest(encrypted, NodeTerms());
  dup2(old_stdin, STDIN_FILENO);
  int unread = 0;
  ioctl(typed[0], FIONREAD, &unread);
  for (const int fd : {old_stdin, typed[0], typed[1]}) {
    close(fd);
  }
  EXPECT_EQ(signed_pem.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(unread, 7) << "somebody was asked";
}

TEST_F(AuthorityTest, RefusesWeakKeys) {
  const ssl::Key weak(EVP_RSA_gen(1024));
  EXPECT_EQ(authority_->SignRequest(RequestWithNames(weak.get()), NodeTerms()).status().code(),
            absl::StatusCode::kInvalidArgument);
  const ssl::Key strong(EVP_RSA_gen(2048));
  EXPECT_TRUE(authority_->SignRequest(RequestWithNames(strong.get()), NodeTerms()).ok());
}

TEST_F(AuthorityTest, RefusesCurvesOtherThanP256) {
  for (const char* curve : {"P-224", "P-384", "P-521", "secp256k1"}) {
    const ssl::Key key(EVP_EC_gen(curve));
    ASSERT_NE(key, nullptr) << curve;
    const auto signed_pem = authority_->SignRequest(RequestWithNames(key.get()), NodeTerms());
    ASSERT_EQ(signed_pem.status().code(), absl::StatusCode::kInvalidArgument) << curve;
    EXPECT_THAT(std::string(signed_pem.status().message()), HasSubstr("P-256"));
    EXPECT_NE(InfoOf(signed_pem.status()).hint, "");
  }
  const ssl::Key ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  EXPECT_FALSE(authority_->SignRequest(RequestWithNames(ed25519.get()), NodeTerms()).ok());
}

// Peers refuse such a key in a certificate, so a node would join and then never connect.
TEST_F(AuthorityTest, RefusesACurveThatIsSpeltOutInsteadOfNamed) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nullptr);
  EVP_PKEY_keygen_init(context);
  EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1);
  EVP_PKEY_CTX_set_ec_param_enc(context, OPENSSL_EC_EXPLICIT_CURVE);
  EVP_PKEY* made = nullptr;
  EVP_PKEY_keygen(context, &made);
  EVP_PKEY_CTX_free(context);
  const ssl::Key key(made);
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(authority_->SignRequest(RequestWithNames(key.get()), NodeTerms()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(AuthorityTest, NamesCannotSmuggleInFurtherNames) {
  CertificateTerms by_identity = NodeTerms();
  by_identity.identity.name = "db1,URI:spiffe://pgmahout/admin/root";
  EXPECT_EQ(authority_->Issue(by_identity).status().code(), absl::StatusCode::kInvalidArgument);
  for (const char* name : {"", "a,DNS:b", "a b", "a\nb"}) {
    CertificateTerms by_dns = NodeTerms();
    by_dns.dns_names = {name};
    EXPECT_EQ(authority_->Issue(by_dns).status().code(), absl::StatusCode::kInvalidArgument);
    CertificateTerms by_address = NodeTerms();
    by_address.ip_addresses = {name};
    EXPECT_EQ(authority_->Issue(by_address).status().code(), absl::StatusCode::kInvalidArgument);
  }
  CertificateTerms no_address = NodeTerms();
  no_address.ip_addresses = {"db1.example"};
  EXPECT_EQ(authority_->Issue(no_address).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AuthorityTest, IdentitiesSurviveTheCertificate) {
  for (const Identity& identity :
       {Identity{IdentityKind::kNode, "db1"}, Identity{IdentityKind::kAdmin, "anna"},
        Identity{IdentityKind::kController, "main"}}) {
    EXPECT_EQ(*ParseIdentity(FormatIdentity(identity)), identity);
    const auto issued = authority_->Issue(TermsFor(identity));
    ASSERT_TRUE(issued.ok()) << issued.status();
    EXPECT_EQ(*IdentityOf(issued->certificate_pem), identity);
  }
}

TEST_F(AuthorityTest, ACertificateWithoutIdentityIsNobody) {
  EXPECT_EQ(IdentityOf(authority_->certificate_pem()).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_FALSE(IdentityOf("").ok());
}

TEST(ParseIdentity, RefusesEverythingElse) {
  for (const char* uri :
       {"", "spiffe://pgmahout/node/", "spiffe://pgmahout/node/a/b", "spiffe://pgmahout/root/a",
        "spiffe://pgmahout/db1", "spiffe://other/node/db1", "SPIFFE://pgmahout/node/db1",
        " spiffe://pgmahout/node/db1", "spiffe://pgmahout/nodedb1"}) {
    EXPECT_EQ(ParseIdentity(uri).status().code(), absl::StatusCode::kPermissionDenied) << uri;
  }
}

TEST(Digests, AreWhatOtherToolsCompute) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(RandomHex(16).size(), 32);
  EXPECT_NE(RandomHex(16), RandomHex(16));
  EXPECT_TRUE(ConstantTimeEquals("abc", "abc"));
  EXPECT_TRUE(ConstantTimeEquals("", ""));
  EXPECT_FALSE(ConstantTimeEquals("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "abcd"));
}

}  // namespace
}  // namespace pgmahout
