// SPDX-License-Identifier: Apache-2.0
// The way to a real controller: mutual TLS with the files of a context.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "controller/cli/cli.h"

namespace pgmahout::cli {

// Waits up to 5 s (or --timeout, if shorter) for the connection. Unavailable says why there is
// none.
absl::StatusOr<std::unique_ptr<AdminStub>> ConnectController(const Invocation& invocation);

}  // namespace pgmahout::cli
