// SPDX-License-Identifier: Apache-2.0
// The key that signs updates (TSIG, RFC 8945), and BIND's file format for it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pgmahout::controller {

// Holds a secret: never log it. Its errors name the key, never the secret.
struct TsigKey {
  std::string name;       // normalized: lower case, with its final dot
  std::string algorithm;  // hmac-sha256 or hmac-sha512
  std::string secret_base64;
};

// Normalizes the name and the algorithm. InvalidArgument if the name is not a DNS name, the
// algorithm is not one of the two, or the secret is not base64.
absl::StatusOr<TsigKey> MakeTsigKey(absl::string_view name,
                                    absl::string_view algorithm,
                                    absl::string_view secret_base64);

// What tsig-keygen prints and named.conf includes:
//
//   key "name" { algorithm hmac-sha256; secret "..."; };
//
// with any white space and the comments //, # and /* */. Exactly one key. InvalidArgument names
// the line.
absl::StatusOr<TsigKey> ParseTsigKeyFile(absl::string_view text);

}  // namespace pgmahout::controller
