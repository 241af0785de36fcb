// SPDX-License-Identifier: Apache-2.0
// pgmahout-guard: kills PostgreSQL when the deadline that the agent feeds has passed. Wiring only.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/guard/guard.h"
#include "common/base/error.h"
#include "common/base/version.h"

namespace pgmahout::guard {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr char kHelp[] =
    "Usage: pgmahout-guard --order-file PATH --report-file PATH [--watchdog DEVICE] [--once]\n"
    "       pgmahout-guard --help | --version\n"
    "\n"
    "Kills every process of a PostgreSQL server once the deadline in the order file has passed.\n"
    "Runs until SIGTERM; an armed guard goes on for 5 s after it, or until it is disarmed.\n"
    "\n"
    "  --order-file PATH   what the agent writes; absolute, on a tmpfs\n"
    "  --report-file PATH  what this guard did; absolute, on a tmpfs\n"
    "  --watchdog DEVICE   /dev/watchdog: reset the machine if PostgreSQL cannot be killed, or if\n"
    "                      the guard does not run any more\n"
    "  --once              obey the order as it is now, then end\n"
    "\n"
    "Exit codes: 0 ok; 1 failed, or another guard runs; 2 usage.\n";

int UsageError(const std::string& what) {
  std::fputs(absl::StrCat("error:  ", what, "\n", kHelp).c_str(), stderr);
  return kUsage;
}

bool IsAbsolute(const std::string& path) {
  return !path.empty() && path[0] == '/';
}

int Run(const GuardOptions& options) {
  if (!IsAbsolute(options.order_file) || !IsAbsolute(options.report_file)) {
    return UsageError("--order-file and --report-file are needed, as absolute paths");
  }
  if (chdir("/") != 0) {  // or it would hold the file system it was started in
    std::perror("cannot change to /");
    return kFailed;
  }
  const absl::Status status = RunGuard(options);
  if (!status.ok()) {
    std::fputs(FormatError(status).c_str(), stderr);
  }
  return status.ok() ? 0 : kFailed;
}

int Main(const std::vector<std::string>& arguments) {
  GuardOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    if (name == "--help") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (name == "--version") {
      std::printf("pgmahout-guard %s\n", std::string(kVersion).c_str());
      return 0;
    }
    if (name == "--once") {
      options.once = true;
      continue;
    }
    std::string* value = name == "--order-file"    ? &options.order_file
                         : name == "--report-file" ? &options.report_file
                         : name == "--watchdog"    ? &options.watchdog
                                                   : nullptr;
    if (value == nullptr) {
      return UsageError(absl::StrCat("unknown argument \"", name, "\""));
    }
    if (++i == arguments.size()) {
      return UsageError(absl::StrCat(name, " needs a value"));
    }
    *value = arguments[i];
  }
  const char* socket = std::getenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe): one thread
  options.notify_socket = socket == nullptr ? "" : socket;
  return Run(options);
}

}  // namespace
}  // namespace pgmahout::guard

int main(int argc, char** argv) {
  return pgmahout::guard::Main(std::vector<std::string>(argv + 1, argv + argc));
}
