// SPDX-License-Identifier: Apache-2.0
#include "common/base/random.h"

#include <sys/random.h>

#include "common/base/check.h"

namespace pgmahout {

uint64_t RandomSeed() {
  uint64_t seed = 0;
  // getrandom(2): up to 256 bytes are never interrupted or cut short.
  PGM_CHECK(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
  return seed;
}

}  // namespace pgmahout
