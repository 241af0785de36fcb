// SPDX-License-Identifier: Apache-2.0
// Which timeline a position belongs to, by the history of one that came later.
#pragma once

#include <cstdint>
#include <map>

#include "common/pg/lsn.h"

namespace pgmahout {

// The timeline of the WAL before `lsn` in the history of `timeline`, whose ancestors end at `ends`
// (PostgreSQL's timeline history file). A server that crashed may have files of a timeline whose
// beginning it has not reached: what it has is its ancestor's WAL, and less than all of that.
// `timeline` where `lsn` is 0/0 or nothing is known of the ancestors.
uint32_t TimelineOf(Lsn lsn, uint32_t timeline, const std::map<uint32_t, Lsn>& ends);

}  // namespace pgmahout
