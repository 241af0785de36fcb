// SPDX-License-Identifier: Apache-2.0
// Alone: how a primary that hears neither its controller nor enough standbys goes on by itself,
// with commits that wait for nobody.
//
// Only with the word of the cluster's witness, which holds no data but never forgets: at most once
// per epoch it lets the primary of that epoch go on alone, and not at all once it has stored a
// later epoch. A promotion needs its word that it has not (controller/core/witness.h). So one of
// the two can happen, never both. They talk over connections of the witness to the primary's
// PostgreSQL: the wish is a parameter of the server, the answer an application_name
// (docs/decisions/17-witness.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/core/reconciler.h"
#include "agent/core/rules.h"
#include "common/pg/lsn.h"

namespace pgmahout::agent {

// What a witness says on its connection.
struct Echo {
  uint64_t epoch = 0;     // the highest it has stored
  bool is_alone = false;  // it lets the primary of `epoch` go on alone
  Lsn lsn;                // what it read from this primary before it said so

  friend bool operator==(const Echo&, const Echo&) = default;
};

// At most 63 bytes, or PostgreSQL would cut the name.
std::string FormatEcho(absl::string_view node, const Echo& echo);
// Nothing unless `text` comes from the witness `node`.
std::optional<Echo> ParseEcho(absl::string_view text, absl::string_view node);

// Primary: whether it may go on without anybody's confirmation. Witness: whether it allowed that.
bool IsAlone(const Memory& memory);

// Whether `world` shows a primary that is alone, and orders that do not know it yet.
bool GoesOnAlone(const World& world);
// The same with the quorum that is in force then: nobody.
World AsAlone(World world);

// WriteDeadline() for this node. Who is alone needs no witnesses of its quorum.
std::optional<BootTime> WriteDeadlineOf(const World& world);

// What this witness says on its next visit to the primary; empty: it shall not go there.
std::string EchoOf(const World& world);

// Adds the witness of `desired` to who is attached to a primary, with the position that it has read
// there at this epoch, so that markers tell how long ago that was. It confirms no commits.
void AttachWitness(const std::optional<DesiredState>& desired, Observation* observation);

// Whether this witness has reached the primary within `limit`.
bool ReachesPrimary(const World& world, Duration limit);

// Rules for the table in reconciler.cc.
Maybe BeWitness(const World& world);
Maybe GoOnAlone(const World& world);
Maybe StayAlone(const World& world);

}  // namespace pgmahout::agent
