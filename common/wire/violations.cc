// SPDX-License-Identifier: Apache-2.0
#include "common/wire/violations.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/error.h"
#include "common/wire/nearest.h"

namespace pgmahout {

void Violations::Add(std::string path, std::string message, std::string hint) {
  all_.push_back(SpecViolation{std::move(path), std::move(message), std::move(hint)});
}

bool Violations::AddIfError(std::string path, const absl::Status& status) {
  if (!status.ok()) {
    Add(std::move(path), std::string(status.message()), InfoOf(status).hint);
  }
  return status.ok();
}

bool Violations::CheckWord(std::string path,
                           absl::string_view word,
                           const std::vector<std::string>& allowed) {
  if (std::find(allowed.begin(), allowed.end(), word) != allowed.end()) {
    return true;
  }
  Add(std::move(path), absl::StrCat("unknown word \"", word, "\""), AllowedHint(word, allowed));
  return false;
}

absl::Status StatusOf(const std::vector<SpecViolation>& violations) {
  if (violations.empty()) {
    return absl::OkStatus();
  }
  const std::string detail =
      absl::StrJoin(violations, "\n", [](std::string* out, const SpecViolation& violation) {
        absl::StrAppend(out, violation.path, ": ", violation.message);
      });
  const SpecViolation& first = violations.front();
  return WithInfo(
      absl::InvalidArgumentError(absl::StrCat("invalid spec: ", first.path, ": ", first.message)),
      ErrorInfo{"invalid-spec", violations.size() > 1 ? detail : "", first.hint});
}

}  // namespace pgmahout
