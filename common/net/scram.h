// SPDX-License-Identifier: Apache-2.0
// SCRAM-SHA-256 verifiers as PostgreSQL stores them, so that a password never travels to a server
// (RFC 5802, RFC 7677; PostgreSQL docs, "pg_authid").
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pgmahout {

// "SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>". InvalidArgument for a password that is not
// printable ASCII: others would need SASLprep.
absl::StatusOr<std::string> ScramVerifier(absl::string_view password,
                                          absl::string_view salt,
                                          int iterations);

// With a random salt of 16 bytes and PostgreSQL's 4096 iterations.
absl::StatusOr<std::string> NewScramVerifier(absl::string_view password);

// 32 random letters and digits: about 190 bits.
std::string GeneratePassword();

}  // namespace pgmahout
