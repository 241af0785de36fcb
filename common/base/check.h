// SPDX-License-Identifier: Apache-2.0
// PGM_CHECK: an invariant that stays on in release builds. A process that broke one must not go on
// deciding about other people's data, so it says where and aborts.
#pragma once

#include <cstdio>
#include <cstdlib>

#define PGM_CHECK(condition)                                                               \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      std::fprintf(stderr, "PANIC: invariant broken: %s at %s:%d\n", #condition, __FILE__, \
                   __LINE__);                                                              \
      std::abort();                                                                        \
    }                                                                                      \
  } while (false)
