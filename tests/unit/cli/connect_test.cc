// SPDX-License-Identifier: Apache-2.0
// The way to a controller: over mutual TLS to a server of our own, and the ways it can fail.
#include "controller/cli/connect.h"

#include <gmock/gmock.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/net/pki.h"
#include "controller/cli/session.h"
#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Files of a context that leads to port 1, where nobody is.
class Unreachable : public CliTest {
 protected:
  Unreachable() {
    WriteContext(1);
    WriteFile("ca", "x");
    WriteFile("crt", "x");
    key_ = WriteFile("key", "x");
    chmod(key_.c_str(), 0600);
    invocation_.timeout = Duration(300);
  }

  void WriteContext(int port) {
    invocation_.config =
        WriteFile("config.yaml", absl::StrCat("currentContext: a\ncontexts: {a: {controller: "
                                              "'127.0.0.1:",
                                              port, "', ca: ca, certificate: crt, key: key}}\n"));
  }

  Invocation invocation_;
  std::string key_;
};

TEST_F(Unreachable, IsUnavailableWithAHint) {
  const auto stub = ConnectController(invocation_);
  EXPECT_EQ(stub.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(FormatError(stub.status()),
              AllOf(HasSubstr("127.0.0.1:1 (context \"a\")"), HasSubstr("hint:")));
}

TEST_F(Unreachable, AKeyThatOthersMayReadIsRefused) {
  chmod(key_.c_str(), 0644);
  EXPECT_THAT(FormatError(ConnectController(invocation_).status()), HasSubstr("chmod 0600"));
}

TEST_F(Unreachable, AMissingFileIsNamed) {
  unlink(key_.c_str());
  EXPECT_THAT(FormatError(ConnectController(invocation_).status()),
              AllOf(HasSubstr("the key of context \"a\""), HasSubstr("/key")));
}

// A controller's TLS door on a free port, and a context with an admin's certificate for it.
class MutualTls : public Unreachable {
 protected:
  MutualTls() : authority_(MakeAuthority("ca-dir")) {
    CertificateTerms terms = TermsOf(IdentityKind::kController, "controller");
    terms.dns_names = {"pgmahout-controller"};
    const KeyAndCertificate server = *authority_->Issue(terms);
    grpc::SslServerCredentialsOptions tls(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = authority_->certificate_pem();
    tls.pem_key_cert_pairs.push_back({server.key_pem, server.certificate_pem});
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls), &port);
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
    WriteContext(port);
    WriteIdentity(*authority_);
    invocation_.timeout = Duration(5'000);
  }

  ~MutualTls() override { server_->Shutdown(); }

  static CertificateTerms TermsOf(IdentityKind kind, const std::string& name) {
    CertificateTerms terms;
    terms.identity = Identity{kind, name};
    terms.now_ms = SystemClock().WallMilliseconds();
    return terms;
  }

  std::unique_ptr<CertificateAuthority> MakeAuthority(const std::string& name) {
    const std::string marker = WriteFile(name + ".marker", "");
    const std::string directory = marker.substr(0, marker.rfind('.'));
    mkdir(directory.c_str(), 0700);
    return *CertificateAuthority::LoadOrCreate(directory, SystemClock().WallMilliseconds());
  }

  void WriteIdentity(const CertificateAuthority& authority) {
    const KeyAndCertificate admin = *authority.Issue(TermsOf(IdentityKind::kAdmin, "root"));
    WriteFile("crt", admin.certificate_pem);
    WriteFile("key", admin.key_pem);
    WriteFile("ca", authority.certificate_pem());
  }

  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(MutualTls, ReachesTheControllerByItsCertificatesName) {
  auto stub = ConnectController(invocation_);
  ASSERT_TRUE(stub.ok()) << stub.status();
  grpc::ClientContext context;
  SetDeadline(Duration(5'000), &context);
  v1::GetVersionResponse response;
  const grpc::Status status = (*stub)->GetVersion(&context, v1::GetVersionRequest(), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.version(), "9.9.9");
}

TEST_F(MutualTls, RefusesAControllerOfAnotherAuthority) {
  WriteFile("ca", MakeAuthority("other")->certificate_pem());
  invocation_.timeout = Duration(1'000);
  const auto stub = ConnectController(invocation_);
  EXPECT_EQ(stub.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(FormatError(stub.status()), HasSubstr("cannot reach the controller"));
  EXPECT_TRUE(admin_.calls.empty());
}

TEST_F(MutualTls, AnAdminOfAnotherAuthorityGetsNoAnswer) {
  WriteIdentity(*MakeAuthority("other"));
  WriteFile("ca", authority_->certificate_pem());
  invocation_.timeout = Duration(1'000);
  auto stub = ConnectController(invocation_);
  // TLS 1.3: the client's handshake may be done before the server refuses.
  if (stub.ok()) {
    grpc::ClientContext context;
    SetDeadline(Duration(2'000), &context);
    v1::GetVersionResponse response;
    EXPECT_FALSE((*stub)->GetVersion(&context, v1::GetVersionRequest(), &response).ok());
  }
  EXPECT_TRUE(admin_.calls.empty());
}

}  // namespace
}  // namespace pgmahout::cli
