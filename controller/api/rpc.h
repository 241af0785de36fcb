// SPDX-License-Identifier: Apache-2.0
// What every RPC needs: who calls (by certificate), and errors with their detail and hint.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/net/pki.h"

namespace pgmahout::controller {

// The trailing metadata that carries EncodeInfo() of an error.
inline constexpr char kErrorInfoKey[] = "pgmahout-error-bin";

// The identity in the caller's certificate; PermissionDenied without one.
absl::StatusOr<Identity> CallerOf(const grpc::ServerContextBase& context);

// PermissionDenied unless the caller's certificate is of `kind`.
absl::StatusOr<Identity> RequireCaller(const grpc::ServerContextBase& context, IdentityKind kind);

// `status` for the wire; detail, hint and reason go into the trailing metadata.
grpc::Status ToGrpc(grpc::CallbackServerContext& context, const absl::Status& status);

}  // namespace pgmahout::controller
