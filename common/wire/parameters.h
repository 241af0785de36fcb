// SPDX-License-Identifier: Apache-2.0
// Configuration parameters that a spec may set: which belong to pgmahout, and which values of the
// well-known ones PostgreSQL would refuse.
//
// Pure. A parameter that is not in the table (an extension's, a newer version's) passes when name
// and value are well formed: PostgreSQL itself has the last word.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pgmahout {

// pgmahout sets it itself, or it could run commands or load code on the server.
bool IsOwnedParameter(absl::string_view name);

// InvalidArgument, with what is allowed as its hint.
absl::Status CheckParameter(absl::string_view name, absl::string_view value);

// The whole number PostgreSQL reads for a well-known parameter, in its base unit (for example kB
// for work_mem). Nothing where `parameters` does not set it or the value is no number.
std::optional<double> ParameterNumber(const std::map<std::string, std::string>& parameters,
                                      absl::string_view name);

}  // namespace pgmahout
