// SPDX-License-Identifier: Apache-2.0
// StateFiles: whether the files of a state directory belong together. The store, the CA and the key
// that seals passwords are each made anew only together with the others: a new CA under an old
// store would lock every agent out, and a new store under an old CA would forget every cluster.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "controller/store/store.h"

namespace pgmahout::controller {

// Before the store is opened. FailedPrecondition if it is missing although other files are there.
absl::Status CheckStoreIsThere(const std::string& state_dir);

// Before the keys are loaded. FailedPrecondition if one is missing although the store needs it.
absl::Status CheckKeysAreThere(const std::string& state_dir, Store& store);

}  // namespace pgmahout::controller
