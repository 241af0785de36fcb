// SPDX-License-Identifier: Apache-2.0
// The witness, a node without data, seen from the controller: its vote, and what follows when it
// let a primary go on alone (agent/core/alone.h has the other side).
//
// It votes by storing an epoch: from then on no primary of an earlier one may go on alone with its
// word. The vote counts only if it has not given that word before. While a quorum names it, nobody
// is promoted without its vote, so that of "the primary goes on alone" and "somebody else is
// promoted" one can happen at most (docs/decisions/17-witness.md).
#pragma once

#include <string>

#include "controller/core/turn.h"

namespace pgmahout::controller {

// Whether its word is known that no primary whose commits may be unconfirmed went on alone, or
// will. A word once given holds, whether or not it is still heard.
bool WitnessVotes(const ClusterState& state);

// Why not, for people; empty if it does, or if no quorum names it.
std::string WhyWitnessDoesNotVote(const ClusterState& state, BootTime now);

// Whether `quorum` may name the spec's witness. A primary that must not acknowledge what is on one
// machine only (`required`) has no use for one, nor has one that waits for nobody anyway.
bool MayHaveWitness(const ClusterSpec& spec, const Quorum& quorum);

// Whether the spec's witness reaches the primary, or has only just stopped to.
bool WitnessIsThere(const ClusterState& state, BootTime now, const Timing& timing);

// Whether any quorum that may govern commits names a witness.
bool IsWitnessed(const Durable& durable);

// What the witness says of the primary, as evidence for people; it decides nothing.
std::string WitnessEvidence(const ClusterState& state, BootTime now);

// Writes down the news in a report of the witness.
void NoteWitness(const Turn& turn, const Report& report);

}  // namespace pgmahout::controller
