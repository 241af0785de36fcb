// SPDX-License-Identifier: Apache-2.0
// Return early with a failed absl::Status. This Abseil release ships no such macros.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define PGM_RETURN_IF_ERROR(expression)                               \
  do {                                                                \
    if (absl::Status pgm_status_ = (expression); !pgm_status_.ok()) { \
      return pgm_status_;                                             \
    }                                                                 \
  } while (false)

#define PGM_CONCAT_INNER(a, b) a##b
#define PGM_CONCAT(a, b) PGM_CONCAT_INNER(a, b)

#define PGM_ASSIGN_OR_RETURN(declaration, expression) \
  PGM_ASSIGN_OR_RETURN_AS(PGM_CONCAT(pgm_result_, __LINE__), declaration, expression)

#define PGM_ASSIGN_OR_RETURN_AS(result, declaration, expression) \
  auto result = (expression);                                    \
  if (!result.ok()) {                                            \
    return std::move(result).status();                           \
  }                                                              \
  declaration = *std::move(result)
