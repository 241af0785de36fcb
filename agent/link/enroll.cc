// SPDX-License-Identifier: Apache-2.0
#include "agent/link/enroll.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/model/join_token.h"
#include "common/net/pki.h"
#include "pgmahout/v1/agent.grpc.pb.h"

namespace pgmahout::agent {
namespace {

constexpr Duration kTimeout{10'000};
constexpr char kErrorInfoKey[] = "pgmahout-error-bin";

bool Exists(const std::string& path) {
  return ReadFile(path).ok();
}

absl::StatusOr<std::pair<std::string, uint16_t>> SplitAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port == 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid controller address \"", address, "\": expected host:port"));
  }
  return std::make_pair(address.substr(0, colon), static_cast<uint16_t>(port));
}

std::unique_ptr<grpc::ClientContext> NewContext() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + kTimeout);
  context->set_wait_for_ready(true);
  return context;
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& controller,
                                           const grpc::SslCredentialsOptions& tls) {
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("pgmahout-controller");
  return grpc::CreateCustomChannel(controller, grpc::SslCredentials(tls), arguments);
}

absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& context) {
  const absl::Status plain(static_cast<absl::StatusCode>(status.error_code()),
                           status.error_message());
  const auto info = context.GetServerTrailingMetadata().find(kErrorInfoKey);
  return info == context.GetServerTrailingMetadata().end()
             ? plain
             : DecodeInfo(plain, {info->second.data(), info->second.size()});
}

absl::Status StoreIdentity(const EnrollConfig& config, const v1::JoinResponse& response) {
  PGM_RETURN_IF_ERROR(WriteFileDurably(config.ca_file, response.ca_pem(), 0644));
  return WriteFileDurably(config.certificate_file, response.certificate_pem(), 0644);
}

}  // namespace

// The certificate is written last.
bool HasIdentity(const EnrollConfig& config) {
  return Exists(config.certificate_file);
}

namespace {

absl::Status CheckFiles(const EnrollConfig& config) {
  PGM_ASSIGN_OR_RETURN(const std::string certificate, ReadFile(config.certificate_file));
  PGM_ASSIGN_OR_RETURN(const std::string key, ReadFile(config.key_file));
  PGM_ASSIGN_OR_RETURN(const std::string authority, ReadFile(config.ca_file));
  if (const absl::Status status = CheckKeyPair(key, certificate); !status.ok()) {
    return Annotate(status,
                    absl::StrCat("\"", config.key_file, "\", \"", config.certificate_file, "\""));
  }
  if (const auto pin = SpkiPinOf(authority); !pin.ok()) {
    return absl::DataLossError(
        absl::StrCat("\"", config.ca_file, "\" is damaged: ", pin.status().message()));
  }
  PGM_ASSIGN_OR_RETURN(const Identity identity, IdentityOf(certificate));
  if (identity != Identity{IdentityKind::kNode, config.node}) {
    return absl::FailedPreconditionError(absl::StrCat("\"", config.certificate_file,
                                                      "\" is that of ", FormatIdentity(identity),
                                                      ", not of node \"", config.node, "\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckIdentity(const EnrollConfig& config) {
  return WithInfo(
      Annotate(CheckFiles(config), "cannot use the identity of this node"),
      ErrorInfo{"identity-damaged", "",
                absl::StrCat("Restore key, certificate and CA from a backup; or remove these three "
                             "files, make room for a new identity (pgmahout node remove ",
                             config.node, "; pgmahout token create --node ", config.node,
                             ") and start with --token-file FILE. Data and PostgreSQL stay as they "
                             "are.")});
}

absl::Status Join(const EnrollConfig& config, const std::string& token_text) {
  const auto token = ParseJoinToken(absl::StripAsciiWhitespace(token_text));
  if (!token.has_value()) {
    return WithHint(absl::InvalidArgumentError("the join token is malformed"),
                    "Make one: pgmahout token create --node " + config.node);
  }
  PGM_ASSIGN_OR_RETURN(const auto address, SplitAddress(config.controller));
  PGM_ASSIGN_OR_RETURN(const std::string ca_pem,
                       FetchPinnedCa(address.first, address.second, token->pin, kTimeout));
  // The same key again after a crash: a certificate the controller made already is not lost.
  if (!Exists(config.key_file)) {
    PGM_ASSIGN_OR_RETURN(const std::string key, GeneratePrivateKey());
    PGM_RETURN_IF_ERROR(WriteFileDurably(config.key_file, key, 0600));
  }
  PGM_ASSIGN_OR_RETURN(const std::string key_pem, ReadFile(config.key_file));
  v1::JoinRequest request;
  request.set_token(std::string(absl::StripAsciiWhitespace(token_text)));
  request.set_node(config.node);
  request.set_address(config.address);
  PGM_ASSIGN_OR_RETURN(*request.mutable_csr_pem(), MakeRequest(key_pem));

  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ca_pem;
  const auto stub = v1::EnrollmentService::NewStub(MakeChannel(config.controller, tls));
  const auto context = NewContext();
  v1::JoinResponse response;
  const grpc::Status status = stub->Join(context.get(), request, &response);
  if (!status.ok()) {
    return Annotate(FromGrpc(status, *context),
                    absl::StrCat("cannot join controller ", config.controller));
  }
  return StoreIdentity(config, response);
}

absl::Status Renew(const EnrollConfig& config) {
  grpc::SslCredentialsOptions tls;
  PGM_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadFile(config.ca_file));
  PGM_ASSIGN_OR_RETURN(tls.pem_private_key, ReadFile(config.key_file));
  PGM_ASSIGN_OR_RETURN(tls.pem_cert_chain, ReadFile(config.certificate_file));
  v1::RenewRequest request;
  request.set_address(config.address);
  PGM_ASSIGN_OR_RETURN(*request.mutable_csr_pem(), MakeRequest(tls.pem_private_key));
  const auto stub = v1::AgentService::NewStub(MakeChannel(config.controller, tls));
  const auto context = NewContext();
  v1::JoinResponse response;
  const grpc::Status status = stub->Renew(context.get(), request, &response);
  if (!status.ok()) {
    return Annotate(FromGrpc(status, *context), "cannot renew the certificate");
  }
  return StoreIdentity(config, response);
}

}  // namespace pgmahout::agent
