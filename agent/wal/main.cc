// SPDX-License-Identifier: Apache-2.0
// pgmahout-wal: what archive_command and restore_command call.
//
// Exit codes stay below 126: PostgreSQL takes larger ones, and death by a signal, as a reason to
// give up recovery (docs, "Archive Recovery").
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/wal/archive.h"
#include "common/base/error.h"
#include "common/base/version.h"

namespace pgmahout::wal {
namespace {

constexpr int kNotThere = 1;  // also any failure that a retry may cure
constexpr int kUsage = 2;
constexpr int kDamaged = 3;
constexpr int kConflict = 4;

constexpr char kHelp[] =
    "Usage: pgmahout-wal archive-push --directory DIR PATH\n"
    "       pgmahout-wal archive-get --directory DIR NAME DESTINATION\n"
    "       pgmahout-wal verify --directory DIR\n"
    "       pgmahout-wal --help | --version\n"
    "\n"
    "Exit codes: 0 ok; 1 failed, or not in the archive; 2 usage; 3 damaged; 4 the archive holds\n"
    "other content under that name.\n";

int Complain(const absl::Status& status) {
  std::fputs(FormatError(status).c_str(), stderr);
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    case absl::StatusCode::kDataLoss:
      return kDamaged;
    case absl::StatusCode::kAlreadyExists:
      return kConflict;
    default:
      return kNotThere;
  }
}

int RunVerify(const std::string& directory) {
  const auto result = Verify(directory);
  if (!result.ok()) {
    return Complain(result.status());
  }
  for (const std::string& problem : result->problems) {
    std::printf("%s\n", problem.c_str());
  }
  std::printf("%llu files, %zu problems\n", static_cast<unsigned long long>(result->files),
              result->problems.size());
  return result->problems.empty() ? 0 : kDamaged;
}

int RunGet(const std::string& directory, const std::string& name, const std::string& destination) {
  const absl::Status status = Get(directory, name, destination);
  if (absl::IsNotFound(status)) {
    return kNotThere;  // quietly: PostgreSQL asks for what does not exist yet
  }
  return status.ok() ? 0 : Complain(status);
}

int Run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 1 && arguments[0] == "--help") {
    std::fputs(kHelp, stdout);
    return 0;
  }
  if (arguments.size() == 1 && arguments[0] == "--version") {
    std::printf("pgmahout-wal %s\n", std::string(kVersion).c_str());
    return 0;
  }
  if (arguments.size() >= 3 && arguments[1] == "--directory") {
    const std::string& verb = arguments[0];
    const std::string& directory = arguments[2];
    if (verb == "archive-push" && arguments.size() == 4) {
      const absl::Status status = Push(directory, arguments[3]);
      return status.ok() ? 0 : Complain(status);
    }
    if (verb == "archive-get" && arguments.size() == 5) {
      return RunGet(directory, arguments[3], arguments[4]);
    }
    if (verb == "verify" && arguments.size() == 3) {
      return RunVerify(directory);
    }
  }
  std::fputs(kHelp, stderr);
  return kUsage;
}

}  // namespace
}  // namespace pgmahout::wal

int main(int argc, char** argv) {
  return pgmahout::wal::Run(std::vector<std::string>(argv + 1, argv + argc));
}
