// SPDX-License-Identifier: Apache-2.0
// Where randomness comes from: seeds from the kernel. Decision code gets none; adapters use it for
// jitter and names. Secrets come from OpenSSL (common/net/pki.h).
#pragma once

#include <cstdint>

namespace pgmahout {

// 64 random bits from the kernel.
uint64_t RandomSeed();

}  // namespace pgmahout
