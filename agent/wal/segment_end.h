// SPDX-License-Identifier: Apache-2.0
// How much of a WAL segment is ever read.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "agent/wal/wal_name.h"

namespace pgmahout::wal {

// The bytes of `content`, the segment `name`, up to the end of its switch record (pg_switch_wal,
// archive_timeout, a shutdown with archive_mode on). PostgreSQL reads none of the others: a primary
// fills them with zeros, while a standby that was cut off meanwhile, and then promoted, keeps what
// the file held before. Nothing where the segment has no such record, or is none.
std::optional<uint64_t> EndOfSwitch(const WalName& name, absl::string_view content);

}  // namespace pgmahout::wal
