// SPDX-License-Identifier: Apache-2.0
// The one-time token with which a node joins: "pgm1.<id>.<secret>.<pin>". The pin is the SHA-256 of
// the controller CA's public key, in hex, so that the first connection can be trusted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace pgmahout {

struct JoinToken {
  std::string id;
  std::string secret;
  std::string pin;
};

inline std::string FormatJoinToken(const JoinToken& token) {
  return absl::StrJoin({std::string("pgm1"), token.id, token.secret, token.pin}, ".");
}

inline std::optional<JoinToken> ParseJoinToken(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '.');
  if (parts.size() != 4 || parts[0] != "pgm1" || parts[1].empty() || parts[2].empty() ||
      parts[3].size() != 64) {
    return std::nullopt;
  }
  return JoinToken{parts[1], parts[2], parts[3]};
}

}  // namespace pgmahout
