// SPDX-License-Identifier: Apache-2.0
// What the controller puts into stateDir/admin for the first administrator: a client certificate
// and a contexts file for the CLI.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/net/pki.h"

namespace pgmahout::controller {

// Made at the first start, and again when less than a third of the certificate's life is left.
absl::Status EnsureAdminFiles(const std::string& state_dir,
                              const std::string& listen,
                              const CertificateAuthority& authority,
                              const Clock& clock);

}  // namespace pgmahout::controller
