// SPDX-License-Identifier: Apache-2.0
// A fingerprint tells two texts apart and is the same on every machine and in every version: the
// generation of a desired state, the id of a configuration. Not for secrets or for anything an
// attacker may choose (FNV-1a, 64 bits).
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace pgmahout {

constexpr uint64_t Fingerprint(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  return hash;
}

}  // namespace pgmahout
