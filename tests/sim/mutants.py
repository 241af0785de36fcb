# SPDX-License-Identifier: Apache-2.0
"""Deliberately broken rules, each of which the simulation must notice.

A mutant is (name, file, text, replacement): `text` occurs exactly once in the file. It is compiled from a
copy, so that the code itself has no hooks. What follows the replacement are options of the simulation.

Not here are rules that are a second line of defence, as breaking one of them alone breaks nothing: an
order of a lower epoch (one controller sends none), how long leases are kept in mind (votes are waited for
at least as long), the epoch of the old primary's word that it is down (it starts at no old epoch), a crashed primary that waits for the controller (what it may acknowledge does not change), a ballot's epoch (agents never report an old one), an old store that is noticed by an agent's epoch (who restores one says so), a lease for who is told to stop,
the witness's word where time fences (who makes use of that asks for its vote besides), a former
primary on a timeline of the new one's number (no two have one number), data that pg_controldata tells cannot become
consistent (what does not start is copied anew after a minute).

ADAPTERS are contracts that the model's adapters can
break; they are flags of the program (pgmahout-sim --break NAME).
"""

FAILOVER = "controller/core/failover.cc"
SWITCHOVER = "controller/core/switchover.cc"
PROMOTION = "controller/core/promotion.cc"
QUORUM = "controller/core/quorum.cc"
QUARANTINE = "controller/core/quarantine.cc"
ADVANCE = "controller/core/advance.cc"
DESIRED = "controller/core/desired.cc"
REINIT = "controller/core/reinit.cc"
RESTART = "controller/core/restart.cc"
NAMES = "controller/core/names.cc"
RECONCILER = "agent/core/reconciler.cc"
REPORT = "agent/core/report.cc"
PRIMARY = "agent/core/primary.cc"
STANDBY = "agent/core/standby.cc"
ALONE = "agent/core/alone.cc"
REFEREE = "controller/core/witness.cc"
WITNESS = "agent/core/witness.cc"
ORDERS = "agent/core/orders.cc"
CONFIG = "agent/core/config_file.cc"

MUTANTS = [
    # Voting
    ("detached-is-not-awaited", REPORT,
     "if (seen.data.config != detached || sql.config_id != ConfigIdOf(detached) ||\n      sql.receiver_exists) {",
     "if (seen.data.config.empty()) {"),
    ("ballot-while-the-receiver-ends", REPORT,
     "sql.config_id != ConfigIdOf(detached) ||\n      sql.receiver_exists) {", "sql.config_id != ConfigIdOf(detached)) {"),
    ("prepared-standbys-go-on-streaming", DESIRED,
     "return is_primary ? Assignment::kStop : Assignment::kPrepare;",
     "return is_primary ? Assignment::kStop : Assignment::kStandby;"),
    ("no-new-epoch-for-a-failover", "controller/core/turn.h",
     "  turn.durable().epoch += 1;\n", ""),
    # Coverage
    ("one-vote-is-enough", QUORUM,
     "return present + quorum.number > quorum.standbys.size();", "return present > 0;"),
    ("coverage-is-one-short", QUORUM,
     "return present + quorum.number > quorum.standbys.size();", "return present + quorum.number >= quorum.standbys.size();"),
    ("coverage-counts-voters-outside-the-quorum", QUORUM,
     "return present + quorum.number > quorum.standbys.size();",
     "return voters.size() + quorum.number > quorum.standbys.size();"),
    ("older-quorums-are-not-covered", QUORUM,
     "[&voters](const Quorum& older) { return Covers(voters, older); });", "[](const Quorum&) { return true; });"),
    ("asynchronous-commits-are-covered-by-anybody", QUORUM,
     "  if (quorum.number == 0 || !NobodyIsAlone(voters, quorum)) {\n    return false;", "  if (quorum.number == 0 || !NobodyIsAlone(voters, quorum)) {\n    return !voters.empty();"),
    ("a-sole-copy-may-be-passed-over", QUORUM,
     "return !durable.sole_copy && Covers(voters, durable.quorum) &&", "return Covers(voters, durable.quorum) &&"),
    ("votes-are-not-counted-at-all", FAILOVER,
     "         CoversAll(VotesOf(turn.state(), turn.now), turn.durable());", "         true;"),
    # Choosing
    ("lsn-before-timeline", FAILOVER,
     "        std::tie(candidate.ballot.timeline, candidate.ballot.lsn, candidate.priority) >\n            std::tie(best->ballot.timeline, best->ballot.lsn, best->priority)) {",
     "        std::tie(candidate.ballot.lsn, candidate.priority) <\n            std::tie(best->ballot.lsn, best->priority)) {"),
    ("priority-before-lsn", FAILOVER,
     "        std::tie(candidate.ballot.timeline, candidate.ballot.lsn, candidate.priority) >\n            std::tie(best->ballot.timeline, best->ballot.lsn, best->priority)) {",
     "        std::tie(candidate.priority) > std::tie(best->priority)) {"),
    ("the-first-candidate-is-the-best", FAILOVER,
     "    if (!best.has_value() ||\n", "    if (!best.has_value() || false &&\n"),
    ("the-target-need-not-be-as-far", FAILOVER,
     "        candidate.ballot.timeline == best->ballot.timeline &&\n        candidate.ballot.lsn >= best->ballot.lsn) {",
     "        true) {"),
    ("nobody-looks-at-votes-of-those-who-are-barred", FAILOVER,
     "  return candidate.ballot.timeline == highest.timeline && candidate.ballot.lsn >= highest.lsn;", "  return highest.lsn.valid() || candidate.priority > 0;"),
    # Fencing and leases
    ("witnesses-are-not-awaited", FAILOVER,
     "          LeaveTooFewWitnesses(VotesOfLongAgo(state, now, timing), state.durable));", "          true);", "--durability", "off"),
    ("a-spec-takes-promises-back", FAILOVER,
     "      !KeepPromises(VotesOf(state, turn.now), turn.durable()) ||\n", "", "--drill", "promise-taken-back"),
    ("votes-end-witnesses-at-once", FAILOVER,
     "        now >= LeaseEnd(state.durable.spec.failover.lease_ttl, *member.voted_at, timing)) {", "        true) {", "--durability", "off"),
    ("asynchronous-promotion-does-not-wait-for-the-fence", FAILOVER,
     "      !OldPrimaryIsFenced(state, turn.now, turn.timing) || TargetIsStillAwaited(turn) ||\n      MoreVotesAreAwaited(turn)) {",
     "      TargetIsStillAwaited(turn)) {", "--durability", "off"),
    ("silent-primaries-are-never-suspected", FAILOVER,
     '      {"primary-is-silent", PrimaryIsSilent, FenceSilent},\n', ""),
    ("the-agent-does-not-fence", WITNESS,
     "  if (!lease.has_value()) {\n    return std::nullopt;\n  }\n", "  if (lease.has_value() || now > BootTime{}) {\n    return now + Duration{60'000};\n  }\n"),
    ("one-witness-is-always-enough", WITNESS,
     "  const size_t needed = WitnessesNeeded(lease->quorum);", "  const size_t needed = 0;"),
    ("witnesses-are-dated-by-now", WITNESS,
     "      seen = std::max(seen, marker->before);", "      seen = std::max(seen, markers_.back().before);"),
    ("whoever-is-attached-is-a-witness", WITNESS,
     "    if (standby.flush_lsn >= marker->lsn) {", "    if (standby.flush_lsn.valid() || marker->lsn.valid()) {"),
    # Old stores
    ("quarantine-waits-for-nobody", QUARANTINE,
     "  const std::vector<std::string> missing = WhoIsMissing(turn.state(), turn.now);\n"
     "  return missing.empty() && LastPrimary(turn.state()) != nullptr;\n",
     "  for (auto& [node, member] : turn.state().members) {\n"
     "    member.report = member.report.value_or(Report{});\n"
     "  }\n"
     "  return LastPrimary(turn.state()) != nullptr;\n", "--drill", "old-store"),
    ("votes-count-right-after-quarantine", QUARANTINE,
     "  durable.sole_copy = true;\n", "", "--drill", "two-controllers"),
    # Quorum changes
    ("the-old-quorum-is-forgotten", QUORUM,
     "    durable.older.push_back(durable.quorum);\n", ""),
    ("a-quorum-is-confirmed-without-the-primary", QUORUM,
     "      !state.quorum_barrier.has_value() || !PrimaryConfirmsQuorum(state, turn.now)) {", "      PrimaryReport(state, turn.now) == nullptr) {"),
    ("a-quorum-is-confirmed-without-a-barrier", QUORUM,
     "  return FlushedBeyond(report, state.durable.quorum, *state.quorum_barrier) >=\n         ConfirmationsNeeded(state.durable);",
     "  return report.write_lsn.valid();"),
    ("asynchronous-forgets-what-was-promised", QUORUM,
     "  return IsAsynchronousByChoice(durable.quorum) ? durable.quorum.standbys.size()", "  return durable.quorum.standbys.empty() ? 0",
     "--drill", "promise-taken-back"),
    ("who-was-away-may-pass-over-a-promise", QUORUM,
     "NobodyIsAlone(voters, quorum) && CountIn(quorum.standbys, voters) > 0", "NobodyIsAlone(voters, quorum)",
     "--drill", "followed-last"),
    ("an-asynchronous-promotion-forgets-promises", PROMOTION,
     "      std::erase(older.standbys, node);\n", "      older.standbys.clear();\n      continue;\n", "--drill", "followed-last"),
    ("in-effect-is-what-was-ordered", REPORT,
     "  if (in_effect && sql.since_config_load >= kSettled) {", "  if (in_effect || sql.since_config_load >= Duration{0}) {"),
    ("settling-is-not-awaited", REPORT,
     "  if (in_effect && sql.since_config_load >= kSettled) {", "  if (in_effect) {"),
    ("back-and-forth-is-confirmed-at-once", QUORUM,
     "  return target != turn.durable().quorum && !WouldBeConfirmedTooEarly(turn.state(), target);", "  return target != turn.durable().quorum;"),
    ("a-lost-standby-stays-in-the-quorum", QUORUM,
     "now - *member.not_streaming_since < gone_after);", "true);"),
    ("required-commits-alone", QUORUM,
     "    target = present;\n", "    return target;\n"),
    # Switchover
    ("a-crash-passes-for-a-clean-stop", SWITCHOVER,
     "         primary.report->clean_stop && primary.report->write_lsn.valid() &&", "         primary.report->write_lsn.valid() &&"),
    ("the-successor-need-not-be-caught-up", SWITCHOVER,
     "        member.report->receive_lsn <= Primary(turn).report->write_lsn) {", "        false) {"),
    ("the-successor-may-lack-the-checkpoint", SWITCHOVER,
     "        member.report->receive_lsn <= Primary(turn).report->write_lsn) {",
     "        member.report->receive_lsn.value + 5'000'000 <= Primary(turn).report->write_lsn.value) {"),
    ("a-clean-stop-is-compared-across-timelines", FAILOVER,
     "         chosen->ballot.timeline == old.report->timeline &&\n", "", "--drill", "left-behind", "--durability", "off"),
    ("old-quorums-are-forgotten-with-votes", PROMOTION,
     "  turn.EnterStage(Stage::kPromoting);\n", "  turn.durable().older.clear();\n  turn.EnterStage(Stage::kPromoting);\n"),
    # What an agent does
    ("an-epoch-is-not-remembered", RECONCILER,
     "  memory.epoch = world.desired->epoch;\n", ""),
    ("a-primary-starts-without-a-lease", PRIMARY,
     "  return world.lease.has_value() && world.lease->epoch == world.memory.epoch &&\n         world.now < world.lease->deadline - world.fence_margin;",
     "  return world.memory.epoch != 0;"),
    ("who-was-fenced-is-not-stopped", RECONCILER,
     '  return Stop(world, "switchover", kCleanStopKillAfter);', '  return Wait(world, "switchover");'),
    ("a-former-primary-follows-as-it-is", STANDBY,
     "  if (all_of_it_is_known) {", "  if (all_of_it_is_known || control.timeline > 0) {"),
    ("the-fork-is-not-compared", STANDBY,
     "                                  control.checkpoint_lsn < desired.fork_lsn;", "                                  control.checkpoint_lsn.valid();"),
    ("a-former-primary-never-votes", DESIRED,
     "durable.accept_data_loss && node == durable.target;", "false && node == durable.target;", "--drill", "former-primary"),
    ("who-is-named-is-waited-for-in-vain", RECONCILER,
     "    return world.desired->former_primary_votes\n", "    return false\n", "--drill", "former-primary"),
    ("two-timelines-of-one-number", DESIRED,
     "    desired.new_timeline = ", "    desired.new_timeline = 0 * ", "--drill", "two-of-one-number", "--durability", "off"),
    ("the-lowest-number-is-not-passed-on", PRIMARY,
     "    step.new_timeline = world.desired->new_timeline;\n", "", "--drill", "two-of-one-number", "--durability", "off"),
    ("standbys-are-not-told-where-to-go", DESIRED,
     "    desired.upstream = durable.primary;\n", ""),
    # The witness
    ("nobody-asks-the-witness-for-its-vote", QUORUM,
     "  return quorum.witness.empty() || voters.count(quorum.witness) > 0;", "  return quorum.witness.empty() || !voters.empty();", "--witness"),
    ("a-word-once-given-does-not-count", REFEREE,
     "  return report.epoch == durable.epoch && report.alone_epoch < durable.confirmed_epoch;",
     "  return report.epoch == durable.epoch;", "--witness"),
    ("the-witness-votes-before-it-has-stored-the-epoch", REFEREE,
     "  return report.epoch == durable.epoch && report.alone_epoch < durable.confirmed_epoch;",
     "  return report.alone_epoch < durable.confirmed_epoch;", "--witness"),
    ("alone-without-a-word", ALONE,
     "  if (IsAllowed(world)) {", "  if (world.observation.sql.has_value()) {", "--witness"),
    ("a-word-for-another-epoch-is-good", ALONE,
     "echo->is_alone && echo->epoch == world.memory.epoch) {", "echo->is_alone) {", "--witness", "--drill", "word-of-before"),
    ("alone-for-ever", ALONE,
     "  return memory.epoch != 0 && memory.alone_epoch == memory.epoch;", "  return memory.alone_epoch != 0;", "--witness"),
    ("the-word-is-given-before-it-is-stored", ALONE,
     "Echo{world.memory.epoch, IsAlone(world.memory), lsn}", "Echo{world.memory.epoch, IsAsked(world), lsn}", "--witness", "--drill", "word-unheard"),
    ("nobody-asks-the-witness-as-time-fences", QUORUM,
     "  return quorum.witness.empty() || voters.count(quorum.witness) > 0;", "  return quorum.witness.empty() || !voters.empty();",
     "--witness", "--durability", "off", "--drill", "alone-unheard"),
    ("who-was-alone-stays-at-its-epoch", REFEREE,
     '      {"continue-at-new-epoch", AloneWasAllowed, ContinueAtNewEpoch},\n', "", "--witness"),
    ("who-was-alone-is-no-sole-copy", REFEREE,
     "  turn.durable().sole_copy = true;\n", "", "--witness", "--drill", "word-in-vain"),
    ("required-goes-on-alone", REFEREE,
     "  return spec.synchronous.durability != DataDurability::kRequired && !quorum.standbys.empty();",
     "  return !quorum.standbys.empty();", "--witness", "--durability", "required"),
    ("who-is-alone-is-fenced-all-the-same", ALONE,
     "  return is_alone ? std::max(*deadline, world.now + world.lease->length) : deadline;", "  return deadline;", "--witness"),
    # What people ask for
    ("a-pause-is-forgotten", FAILOVER,
     "turn.spec().failover.automatic && !turn.durable().paused;", "turn.spec().failover.automatic;"),
    ("hands-are-on-during-a-pause", DESIRED,
     "  return (durable.paused && durable.stage == Stage::kRunning && node != durable.spec.witness) ||\n         (InMaintenance", "  return (InMaintenance"),
    ("maintenance-is-promoted", FAILOVER,
     "!InMaintenance(state.durable, node) && !report.replay_paused &&", "!report.replay_paused &&"),
    ("maintenance-stays-in-the-quorum", QUORUM,
     "    if (node == durable.primary || !MayConfirm(durable, node)) {", "    if (node == durable.primary) {"),
    ("a-copy-is-given-up-while-commits-rest-on-it", REINIT,
     " && !IsInAnyQuorum(turn.durable(), reinit.node) &&", " &&"),
    ("who-does-not-become-consistent-is-waited-for", STANDBY,
     "  if (CannotStream(world)) {\n    return Rebuild(world, \"it has not become",
     "  if (false) {\n    return Rebuild(world, \"it has not become", "--drill", "lost-source"),
    ("who-does-not-start-is-started-for-ever", STANDBY,
     "  if (!CannotStream(world) || world.memory.replaced_epoch", "  if (true || world.memory.replaced_epoch",
     "--drill", "rewind-in-vain"),
    ("a-slot-for-the-primary-never-moves", PRIMARY,
     "    return sql.redo_lsn;\n", "    return Lsn{};\n"),
    ("lost-slots-stay", PRIMARY,
     "      plan.drop.push_back(name);  // it is missing then, and made anew\n", ""),
    ("slots-of-who-is-gone-stay", PRIMARY,
     "      plan.drop.push_back(slot.name);\n", ""),
    ("an-order-to-copy-is-obeyed-again", STANDBY,
     "world.memory.data_number == world.desired->rebuild_directory;", "world.memory.data_number > 0;"),
    ("an-order-to-restart-is-obeyed-again", STANDBY,
     "world.observation.sql->server_started == world.desired->restart_server;", "world.observation.sql->server_started != 0;"),
    ("a-restart-does-not-wait-for-the-stream", RESTART,
     "(Present(turn) == turn.durable().primary || StreamsAnew(member));", "true;"),
    ("a-stream-of-the-old-server-passes-for-one-of-the-new", RESTART,
     "  return member.report->receiver_streaming && member.attached && member.replays;", "  return member.attached && member.replays;"),
    ("a-file-of-a-timeline-is-taken-for-its-wal", "common/pg/timeline_history.cc",
     "    found = ancestor->first;\n", "    found = timeline;\n"),
    # Names
    ("names-are-not-newer-than-those-of-another-controller", "controller/core/quarantine.cc",
     "  change = std::max(change, incarnation * kChangesSkipped);\n", "", "--drill", "two-controllers"),
    ("names-move-before-the-primary-is-confirmed", NAMES,
     "  return turn.durable().stage == Stage::kRunning && !turn.spec().dns.primary.empty() &&", "  return !turn.spec().dns.primary.empty() &&"),
    ("names-keep-their-version", NAMES,
     "  wanted.change += 1;\n", ""),
    ("names-keep-the-old-address", NAMES,
     "  records.primary_addresses = {turn.state().members.at(turn.durable().primary).address};\n",
     "  if (records.primary_addresses.empty()) {\n    records.primary_addresses = {turn.state().members.at(turn.durable().primary).address};\n  }\n"),
]

ADAPTERS = [("effects-before-store",), ("guard-sleeps",), ("dns-without-prerequisite",),
            ("old-store-goes-unnoticed", "--drill", "two-controllers")]
