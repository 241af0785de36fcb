// SPDX-License-Identifier: Apache-2.0
// Durable <-> the bytes of its record in the store.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "controller/core/cluster_state.h"

namespace pgmahout::controller {

std::string EncodeDurable(const Durable& durable);

// DataLoss if the bytes are not what EncodeDurable wrote.
absl::StatusOr<Durable> DecodeDurable(absl::string_view bytes);

}  // namespace pgmahout::controller
