// SPDX-License-Identifier: Apache-2.0
#include "controller/daemon/state_files.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::controller {
namespace {

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

absl::Status Missing(const std::string& path, const std::string& evidence) {
  return WithInfo(
      absl::FailedPreconditionError(absl::StrCat("\"", path, "\" is missing, but ", evidence)),
      ErrorInfo{"state-incomplete", "Nothing was changed or made anew.",
                "Restore controller.db, ca.key, ca.crt and secrets.key together, from one backup. "
                "For a controller that knows nobody, start with an empty state directory."});
}

// Whether the store holds a record of `kind`.
absl::StatusOr<bool> Holds(Store& store, const std::string& kind) {
  PGM_ASSIGN_OR_RETURN(const std::vector<Record> records, store.List(kind));
  return !records.empty();
}

}  // namespace

absl::Status CheckStoreIsThere(const std::string& state_dir) {
  const std::string store = state_dir + "/controller.db";
  if (Exists(store)) {
    return absl::OkStatus();
  }
  for (const char* name : {"ca.key", "ca.crt", "secrets.key"}) {
    if (Exists(absl::StrCat(state_dir, "/", name))) {
      return Missing(store, absl::StrCat("there is ", name));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckKeysAreThere(const std::string& state_dir, Store& store) {
  const std::string authority = state_dir + "/ca.key";
  if (!Exists(authority) && !Exists(state_dir + "/ca.crt")) {
    for (const char* kind : {"node", "token"}) {
      PGM_ASSIGN_OR_RETURN(const bool needed, Holds(store, kind));
      if (needed) {
        return Missing(authority, absl::StrCat("the store has a ", kind, " that trusts it"));
      }
    }
  }
  const std::string secrets = state_dir + "/secrets.key";
  if (!Exists(secrets)) {
    for (const char* kind : {"cluster", "credential"}) {
      PGM_ASSIGN_OR_RETURN(const bool needed, Holds(store, kind));
      if (needed) {
        return Missing(secrets, absl::StrCat("the store has a ", kind, " sealed with it"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::controller
