// SPDX-License-Identifier: Apache-2.0
// RunCli: the whole `pgmahout` command as a function, so that tests see what a person sees.
#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/cli/invocation.h"
#include "pgmahout/v1/admin.grpc.pb.h"

namespace pgmahout::cli {

using AdminStub = v1::AdminService::StubInterface;

// Data goes to `out`, everything else to `err`.
struct Streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool is_terminal = false;  // somebody sits there and can be asked
};

// Connects to the controller that an invocation means. Unavailable when nobody answers.
using StubFactory = std::function<absl::StatusOr<std::unique_ptr<AdminStub>>(const Invocation&)>;

// Runs `arguments` (without the program's name) and returns the exit code. `default_config` is the
// contexts file when --config names none. Blocks; prints errors itself.
int RunCli(const std::vector<std::string>& arguments,
           const std::string& default_config,
           const Streams& streams,
           const StubFactory& factory);

}  // namespace pgmahout::cli
