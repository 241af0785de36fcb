// SPDX-License-Identifier: Apache-2.0
#include "controller/core/witness.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/core/quorum.h"

namespace pgmahout::controller {
namespace {

bool Votes(const Durable& durable, const Report& report) {
  return report.epoch == durable.epoch && report.alone_epoch < durable.confirmed_epoch;
}

bool AllowedThisEpoch(const ClusterState& state) {
  const MemberView& witness = state.witness;
  return witness.report.has_value() && witness.report->alone_epoch == state.durable.epoch;
}

bool PrimaryIsAlone(const Turn& turn) {
  return Primary(turn).report->alone_epoch == turn.durable().epoch;
}

// The primary is heard again, and has gone on alone or may still be about to.
bool AloneWasAllowed(const Turn& turn) {
  return InStage(turn, Stage::kRunning) && PrimaryReport(turn.state(), turn.now) != nullptr &&
         (PrimaryIsAlone(turn) || AllowedThisEpoch(turn.state()));
}

// The word holds for its epoch only, so the primary goes on at a new one, without a pause: alone as
// it is if it is, until its standby streams again. Until then nobody else has what it has.
void ContinueAtNewEpoch(const Turn& turn, absl::string_view rule) {
  const bool is_alone = PrimaryIsAlone(turn);
  BeginEpoch(turn);
  turn.durable().sole_copy = true;
  if (is_alone) {
    OrderQuorum(turn.state(), Quorum{});
  }
  turn.EnterStage(Stage::kPromoting);
  turn.Note(rule, turn.durable().primary,
            is_alone ? "it went on alone while this controller was not heard; it goes on at a new "
                       "epoch, and its standby has to catch up"
                     : "its witness had let it go on alone; it goes on at a new epoch",
            true);
}

}  // namespace

bool WitnessVotes(const ClusterState& state) {
  return state.witness.report.has_value() && Votes(state.durable, *state.witness.report);
}

std::string WhyWitnessDoesNotVote(const ClusterState& state, BootTime now) {
  const Durable& durable = state.durable;
  if (!IsWitnessed(durable) || WitnessVotes(state)) {
    return "";
  }
  if (durable.spec.witness.empty()) {
    return "the witness was removed from the spec a moment before, and its word is missing";
  }
  const std::string name = absl::StrCat("the witness ", durable.spec.witness);
  if (!IsHeard(state, state.witness, now)) {
    return absl::StrCat(name, " is not heard");
  }
  return state.witness.report->alone_epoch >= durable.confirmed_epoch
             ? absl::StrCat(name, " let ", durable.primary, " go on alone at epoch ",
                            state.witness.report->alone_epoch)
             : absl::StrCat(name, " has not voted yet");
}

bool MayHaveWitness(const ClusterSpec& spec, const Quorum& quorum) {
  return spec.synchronous.durability != DataDurability::kRequired && !quorum.standbys.empty();
}

bool WitnessIsThere(const ClusterState& state, BootTime now, const Timing& timing) {
  const std::string& witness = state.durable.spec.witness;
  if (witness.empty() || state.witness.attached) {
    return !witness.empty();
  }
  return state.durable.quorum.witness == witness &&
         now - state.witness.not_streaming_since.value_or(now) < timing.standby_gone_after;
}

bool IsWitnessed(const Durable& durable) {
  return !durable.quorum.witness.empty() ||
         std::any_of(durable.older.begin(), durable.older.end(),
                     [](const Quorum& older) { return !older.witness.empty(); });
}

std::string WitnessEvidence(const ClusterState& state, BootTime now) {
  if (state.durable.spec.witness.empty() || !IsHeard(state, state.witness, now)) {
    return "";
  }
  return absl::StrCat(
      "; the witness ", state.durable.spec.witness,
      state.witness.report->receiver_streaming ? " reaches it" : " does not reach it either");
}

void NoteWitness(const Turn& turn, const Report& report) {
  const std::optional<Report>& before = turn.state().witness.report;
  if (InStage(turn, Stage::kFencing) && Votes(turn.durable(), report) &&
      !WitnessVotes(turn.state())) {
    turn.Note("witness-vote", turn.spec().witness,
              "has let nobody go on alone, and lets nobody of an earlier epoch any more", true);
  }
  if (report.alone_epoch != 0 && report.alone_epoch >= turn.durable().confirmed_epoch &&
      (!before.has_value() || before->alone_epoch != report.alone_epoch)) {
    turn.Note("witness-allowed", turn.spec().witness,
              absl::StrCat("lets the primary of epoch ", report.alone_epoch, " go on alone"), true);
  }
}

const std::vector<Rule>& WitnessRules() {
  static const std::vector<Rule> rules = {
      {"continue-at-new-epoch", AloneWasAllowed, ContinueAtNewEpoch},
  };
  return rules;
}

}  // namespace pgmahout::controller
