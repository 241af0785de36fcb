// SPDX-License-Identifier: Apache-2.0
#include "common/base/exec_arguments.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

extern char** environ;

namespace pgmahout {
namespace {

std::vector<char*> Pointers(std::vector<std::string>* texts) {
  std::vector<char*> pointers;
  for (std::string& text : *texts) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

ExecArguments::ExecArguments(std::vector<std::string> argv,
                             const std::vector<std::pair<std::string, std::string>>& environment)
    : argv_text_(std::move(argv)) {
  // getenv() in the program finds the first of two entries, so the inherited one must go.
  const auto is_replaced = [&environment](absl::string_view entry) {
    return std::any_of(environment.begin(), environment.end(), [entry](const auto& added) {
      return absl::StartsWith(entry, absl::StrCat(added.first, "="));
    });
  };
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!is_replaced(*entry)) {
      environment_text_.emplace_back(*entry);
    }
  }
  for (const auto& [name, value] : environment) {
    environment_text_.push_back(absl::StrCat(name, "=", value));
  }
  argv_ = Pointers(&argv_text_);
  environment_ = Pointers(&environment_text_);
}

void ExecArguments::Exec() const {
  execve(argv_[0], argv_.data(), environment_.data());
}

}  // namespace pgmahout
