// SPDX-License-Identifier: Apache-2.0
// pgmahout: the command of administrators. Wiring only; RunCli does the work.
#include <grpc/support/log.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "absl/synchronization/mutex.h"
#include "controller/cli/cli.h"
#include "controller/cli/connect.h"

namespace {

// $PGMAHOUT_CONFIG, else ~/.config/pgmahout/config.yaml.
std::string DefaultConfig() {
  if (const char* const path = std::getenv("PGMAHOUT_CONFIG"); path != nullptr && *path != '\0') {
    return path;
  }
  const char* const home = std::getenv("HOME");
  return std::string(home != nullptr ? home : "") + "/.config/pgmahout/config.yaml";
}

// Errors are reported once, by RunCli; gRPC's own log lines would stand beside them. Whoever wants
// them sets GRPC_VERBOSITY.
void SilenceGrpc() {
  if (std::getenv("GRPC_VERBOSITY") == nullptr) {
    gpr_set_log_function([](gpr_log_func_args*) {});
  }
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  SilenceGrpc();
  const bool is_terminal = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
  const pgmahout::cli::Streams streams{std::cin, std::cout, std::cerr, is_terminal};
  return pgmahout::cli::RunCli({argv + 1, argv + argc}, DefaultConfig(), streams,
                               pgmahout::cli::ConnectController);
}
