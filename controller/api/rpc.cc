// SPDX-License-Identifier: Apache-2.0
#include "controller/api/rpc.h"

#include "absl/strings/str_cat.h"
#include "common/base/error.h"

namespace pgmahout::controller {

absl::StatusOr<Identity> CallerOf(const grpc::ServerContextBase& context) {
  const auto values = context.auth_context()->FindPropertyValues("x509_pem_cert");
  if (values.empty()) {
    return WithHint(absl::PermissionDeniedError("the caller shows no certificate"),
                    "Use the certificate that the controller made for you.");
  }
  return IdentityOf(std::string(values.front().data(), values.front().size()));
}

absl::StatusOr<Identity> RequireCaller(const grpc::ServerContextBase& context, IdentityKind kind) {
  absl::StatusOr<Identity> caller = CallerOf(context);
  if (caller.ok() && caller->kind != kind) {
    return absl::PermissionDeniedError(
        absl::StrCat("the certificate of ", FormatIdentity(*caller), " does not allow this call"));
  }
  return caller;
}

grpc::Status ToGrpc(grpc::CallbackServerContext& context, const absl::Status& status) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  if (const std::string info = EncodeInfo(status); !info.empty()) {
    context.AddTrailingMetadata(kErrorInfoKey, info);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace pgmahout::controller
