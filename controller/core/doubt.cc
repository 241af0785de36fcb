// SPDX-License-Identifier: Apache-2.0
#include "controller/core/doubt.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace pgmahout::controller {
namespace {

// A standby may be ahead of the primary's last report by what was written since. No server writes
// faster than that, and the slack is for reports that were under way.
constexpr uint64_t kWalBytesPerSecond = uint64_t{1} << 30;
constexpr uint64_t kWalSlackBytes = uint64_t{1} << 30;

// So that an agent that talks nonsense does not fill the store with complaints about it.
constexpr Duration kNoteEvery{10'000};
constexpr Duration kSameNoteEvery{3'600'000};

Lsn FurthestOf(const Report& report) {
  const Lsn furthest =
      std::max({report.write_lsn, report.receive_lsn, report.replay_lsn, report.fork_lsn});
  return report.ballot.has_value() ? std::max(furthest, report.ballot->lsn) : furthest;
}

// Each change of primary has an epoch of its own and begins at most one timeline.
Doubt DoubtTimeline(const Durable& durable, const Report& report) {
  const uint64_t last = uint64_t{durable.timeline} + durable.epoch;
  const uint32_t timeline =
      std::max(report.timeline, report.ballot.has_value() ? report.ballot->timeline : 0);
  if (durable.timeline == 0 || timeline <= last) {
    return {};
  }
  return {"it reports a timeline that cannot exist yet",
          absl::StrCat("timeline ", timeline, "; the cluster is on ", durable.timeline)};
}

// What the primary's WAL may have grown to since it told where it ends; 0/0: nobody knows.
Lsn LimitOfWal(const ClusterState& state, BootTime now) {
  const MemberView* primary = FindMember(state, state.durable.primary);
  if (primary == nullptr || !primary->wal_end.valid()) {
    return Lsn{};
  }
  const Duration passed = std::max(now - primary->wal_end_at, Duration{0});
  const uint64_t seconds = static_cast<uint64_t>(passed.count()) / 1000 + 1;
  const uint64_t growth = kWalSlackBytes + seconds * kWalBytesPerSecond;
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  return Lsn{growth > kMost - primary->wal_end.value ? kMost : primary->wal_end.value + growth};
}

Doubt DoubtWal(const ClusterState& state, const Report& report, BootTime now) {
  const Lsn limit = LimitOfWal(state, now);
  const Lsn furthest = FurthestOf(report);
  if (!limit.valid() || furthest <= limit) {
    return {};
  }
  return {"it reports WAL beyond anything the primary can have written",
          absl::StrCat(FormatLsn(furthest), "; ", state.durable.primary, " was last heard at ",
                       FormatLsn(state.members.at(state.durable.primary).wal_end))};
}

void Complain(const Turn& turn,
              absl::string_view rule,
              const std::string& node,
              MemberView& member,
              const std::string& reason,
              const std::string& message) {
  if (member.complained_at.has_value()) {
    const Duration passed = turn.now - *member.complained_at;
    if (passed < kNoteEvery || (member.complaint == reason && passed < kSameNoteEvery)) {
      return;
    }
  }
  member.complaint = reason;
  member.complained_at = turn.now;
  turn.Note(rule, node, message);
}

}  // namespace

Doubt DoubtOf(const ClusterState& state, const Report& report, BootTime now) {
  const Durable& durable = state.durable;
  if (!report.cluster.empty() && report.cluster != durable.spec.name) {
    return {"its agent belongs to another cluster", absl::StrCat("\"", report.cluster, "\"")};
  }
  if (report.system_identifier != 0 && durable.system_identifier != 0 &&
      report.system_identifier != durable.system_identifier) {
    return {
        "its data belongs to another system identifier",
        absl::StrCat(report.system_identifier, "; the cluster has ", durable.system_identifier)};
  }
  // Epochs that a lost store may have given were adopted before (quarantine.h).
  if (report.cluster == durable.spec.name && report.epoch > durable.epoch) {
    return {"it reports an epoch that no controller can have given",
            absl::StrCat(report.epoch, "; the cluster is at ", durable.epoch)};
  }
  const Doubt timeline = DoubtTimeline(durable, report);
  return timeline.reason.empty() ? DoubtWal(state, report, now) : timeline;
}

Report WithoutClaims(Report report) {
  report.role = ServerRole::kUnknown;
  report.timeline = 0;
  report.fork_lsn = report.write_lsn = report.receive_lsn = report.replay_lsn = Lsn{};
  report.replay_lag_milliseconds = 0;
  report.receiver_streaming = false;
  report.quorum_in_effect.reset();
  report.attached.clear();
  report.ballot.reset();
  report.diverged.reset();
  report.clean_stop = false;
  report.writable_epoch = 0;
  report.roles_ready = false;
  return report;
}

Report Believable(const Turn& turn,
                  const std::string& node,
                  MemberView& member,
                  const Report& report) {
  const Doubt doubt = DoubtOf(turn.state(), report, turn.now);
  member.doubt = doubt.reason;
  if (doubt.reason.empty()) {
    return report;
  }
  Complain(turn, "report-doubted", node, member, doubt.reason,
           absl::StrCat("not believed: ", doubt.reason, ": ", doubt.detail));
  return WithoutClaims(report);
}

void NoteRefusal(const Turn& turn, const std::string& node, const std::string& reason) {
  if (MemberView* const member = FindMember(turn.state(), node); member != nullptr) {
    Complain(turn, "agent-refused", node, *member, reason, reason);
  }
}

}  // namespace pgmahout::controller
