// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/connect.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "controller/cli/contexts.h"
#include "controller/cli/session.h"

namespace pgmahout::cli {
namespace {

constexpr Duration kConnectMax{5'000};
constexpr Duration kProbe{1'000};
constexpr int kMessageBytesMax = 64 << 20;  // a long history
constexpr size_t kPemBytesMax = size_t{1} << 20;

absl::StatusOr<std::string> ReadPem(const Context& context,
                                    absl::string_view what,
                                    const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, kPemBytesMax);
  if (!text.ok()) {
    return WithHint(
        absl::InvalidArgumentError(absl::StrCat("cannot read the ", what, " of context \"",
                                                context.name, "\": ", text.status().message())),
        "Correct the path in the contexts file.");
  }
  return text;
}

// As libpq does with client keys.
absl::Status CheckKeyIsPrivate(const std::string& path) {
  struct stat info {};

  if (stat(path.c_str(), &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return WithHint(
        absl::InvalidArgumentError(absl::StrCat("others may read the private key ", path)),
        absl::StrCat("Run chmod 0600 ", path, "."));
  }
  return absl::OkStatus();
}

absl::StatusOr<grpc::SslCredentialsOptions> ReadTls(const Context& context) {
  PGM_RETURN_IF_ERROR(CheckKeyIsPrivate(context.key));
  grpc::SslCredentialsOptions tls;
  PGM_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadPem(context, "CA", context.ca));
  PGM_ASSIGN_OR_RETURN(tls.pem_cert_chain, ReadPem(context, "certificate", context.certificate));
  PGM_ASSIGN_OR_RETURN(tls.pem_private_key, ReadPem(context, "key", context.key));
  return tls;
}

// gRPC tells why a connection fails only to a call that fails with it.
std::string ReasonOf(AdminStub* stub) {
  grpc::ClientContext context;
  SetDeadline(kProbe, &context);
  v1::GetVersionResponse response;
  const grpc::Status status = stub->GetVersion(&context, v1::GetVersionRequest(), &response);
  return status.error_message();
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminStub>> ConnectController(const Invocation& invocation) {
  PGM_ASSIGN_OR_RETURN(const Context context, LoadContext(invocation.config, invocation.context));
  PGM_ASSIGN_OR_RETURN(const grpc::SslCredentialsOptions tls, ReadTls(context));
  grpc::ChannelArguments arguments;
  // People reach one controller by many names and addresses; its certificate has this one.
  arguments.SetSslTargetNameOverride("pgmahout-controller");
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  const auto channel =
      grpc::CreateCustomChannel(context.controller, grpc::SslCredentials(tls), arguments);
  std::unique_ptr<AdminStub> stub = v1::AdminService::NewStub(channel);
  const Duration patience = std::min(kConnectMax, invocation.timeout);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + patience)) {
    return WithInfo(
        absl::UnavailableError(absl::StrCat("cannot reach the controller at ", context.controller,
                                            " (context \"", context.name, "\")")),
        ErrorInfo{"unreachable", ReasonOf(stub.get()),
                  "See whether pgmahout-controller runs there, the port is open, and "
                  "the context's CA and certificate are that controller's."});
  }
  return stub;
}

}  // namespace pgmahout::cli
