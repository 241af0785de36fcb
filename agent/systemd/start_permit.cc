// SPDX-License-Identifier: Apache-2.0
#include "agent/systemd/start_permit.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/log.h"

namespace pgmahout::agent {
namespace {

bool IsThere(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

std::string DirectoryOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

StartPermit::StartPermit(const std::string& directory, const std::string& unit)
    : path_(absl::StrCat(directory, "/", unit)) {
  if (IsThere(directory)) {
    status_ = WriteFileAtomically(path_, "", 0600);
  }
}

StartPermit::~StartPermit() {
  unlink(path_.c_str());
}

ManagedMark::ManagedMark(const std::string& directory, const std::string& unit)
    : path_(absl::StrCat(directory, "/", unit)) {}

void ManagedMark::Set(bool managed) {
  if (known_ && managed == managed_) {
    return;
  }
  known_ = true;
  managed_ = managed;
  worker_.Post([path = path_, managed] {
    if (!IsThere(DirectoryOf(path)) || IsThere(path) == managed) {
      return;
    }
    absl::Status status;
    if (managed) {
      status = WriteFileDurably(path, "", 0644);
    } else if (unlink(path.c_str()) != 0) {
      status = ErrnoStatus(errno, absl::StrCat("cannot remove \"", path, "\""));
    }
    if (!status.ok()) {
      LogError("cannot keep the mark that tells systemd who starts PostgreSQL",
               {{"error", std::string(status.message())}});
    }
  });
}

}  // namespace pgmahout::agent
