// SPDX-License-Identifier: Apache-2.0
// What is wrong in a spec, all of it at once: a person should need one round, not ten.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pgmahout {

// `path` is in JSON names: "spec.placement.nodes[1]", "spec.postgresql.parameters.work_mem".
struct SpecViolation {
  std::string path;
  std::string message;  // lower case, no full stop
  std::string hint;     // sentences; may be empty

  friend bool operator==(const SpecViolation&, const SpecViolation&) = default;
};

// Gathers violations while a spec is read. Not thread-safe.
class Violations {
 public:
  void Add(std::string path, std::string message, std::string hint = "");

  // The message and hint of `status`; nothing when it is OK. True when it is OK.
  bool AddIfError(std::string path, const absl::Status& status);

  // True when `word` is one of `allowed`; else a violation with the nearest of them.
  bool CheckWord(std::string path, absl::string_view word, const std::vector<std::string>& allowed);

  const std::vector<SpecViolation>& all() const { return all_; }

 private:
  std::vector<SpecViolation> all_;
};

// InvalidArgument with every violation in its detail, one a line. OK when there is none.
absl::Status StatusOf(const std::vector<SpecViolation>& violations);

}  // namespace pgmahout
