// SPDX-License-Identifier: Apache-2.0
// ldns for C++: its header alone would define bool, true and false as macros.
#pragma once

// Order matters: with stdbool.h read first, ldns leaves the keywords alone.
// clang-format off
#include <stdbool.h>  // NOLINT(modernize-deprecated-headers)
#include <ldns/ldns.h>
// clang-format on

#ifdef bool
#error "a macro named bool breaks standard headers"
#endif
