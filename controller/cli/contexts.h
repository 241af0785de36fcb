// SPDX-License-Identifier: Apache-2.0
// Contexts: which controllers a person talks to, and as whom.
//
//   currentContext: prod
//   contexts:
//     prod: {controller: ctl.example:7432, ca: ca.pem, certificate: me.pem, key: me.key}
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pgmahout::cli {

struct Context {
  std::string name;
  std::string controller;  // host:port
  std::string ca;          // paths; relative ones in the file are relative to it
  std::string certificate;
  std::string key;
};

// Context `name` of the file, or its currentContext when `name` is empty. InvalidArgument says what
// is wrong in the file, or which contexts it has.
absl::StatusOr<Context> LoadContext(const std::string& path, const std::string& name);

}  // namespace pgmahout::cli
