// SPDX-License-Identifier: Apache-2.0
// The agent's memory on disk: text lines of "name=value" and a check sum in the last one, so that a
// truncated or damaged file is noticed and never guessed at.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/core/memory.h"

namespace pgmahout::agent {

std::string EncodeMemory(const Memory& memory);

// DataLoss if the text is not what EncodeMemory wrote.
absl::StatusOr<Memory> DecodeMemory(absl::string_view text);

// DataLoss if there is no memory at `path` although `data_root` holds data directories: memory is
// stored before the first of them is made. A primary that such an agent forgot would run unfenced.
absl::Status CheckMemoryIsThere(const std::string& path, const std::string& data_root);

// An empty Memory if there is no file yet; DataLoss if it is damaged.
absl::StatusOr<Memory> LoadMemory(const std::string& path);

// Durable when it returns OK.
absl::Status StoreMemory(const std::string& path, const Memory& memory);

// The lease survives a restart of the agent, not of the machine: it is thrown away when the boot id
// differs, or when the file is damaged (then there is no lease, which is safe).
std::optional<Lease> LoadLease(const std::string& path, const std::string& boot_id);
absl::Status StoreLease(const std::string& path, const std::string& boot_id, const Lease& lease);

}  // namespace pgmahout::agent
