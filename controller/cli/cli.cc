// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/cli.h"

#include "common/base/error.h"
#include "controller/cli/command_line.h"
#include "controller/cli/exit_code.h"
#include "controller/cli/session.h"

namespace pgmahout::cli {

int RunCli(const std::vector<std::string>& arguments,
           const std::string& default_config,
           const Streams& streams,
           const StubFactory& factory) {
  const absl::StatusOr<Invocation> invocation =
      ParseCommandLine(arguments, default_config, streams.out);
  absl::Status status = invocation.status();
  if (invocation.ok() && invocation->verb) {
    Session session{*invocation, streams, factory, nullptr};
    status = invocation->verb(&session);
  }
  streams.out << std::flush;
  if (!status.ok()) {
    streams.err << FormatError(status) << std::flush;
  }
  return static_cast<int>(ExitCodeOf(status));
}

}  // namespace pgmahout::cli
