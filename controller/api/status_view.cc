// SPDX-License-Identifier: Apache-2.0
#include "controller/api/status_view.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controller/core/failover.h"
#include "controller/core/status.h"

namespace pgmahout::controller {
namespace {

std::string RoleOf(const ClusterState& state, const std::string& node, const Report& report) {
  if (node == state.durable.primary && report.role == ServerRole::kPrimary) {
    return "primary";
  }
  return report.role == ServerRole::kStandby ? "standby" : "none";
}

Lsn PrimaryLsn(const ClusterState& state) {
  const auto primary = state.members.find(state.durable.primary);
  if (primary == state.members.end() || !primary->second.report.has_value()) {
    return Lsn{};
  }
  return primary->second.report->write_lsn;
}

void FillReport(const ClusterState& state,
                const std::string& node,
                const Report& report,
                v1::MemberStatus* status) {
  const bool is_primary = report.role == ServerRole::kPrimary;
  status->set_role(RoleOf(state, node, report));
  status->set_timeline(report.timeline);
  status->set_receive_lsn(FormatLsn(is_primary ? report.write_lsn : report.receive_lsn));
  status->set_replay_lsn(FormatLsn(is_primary ? report.write_lsn : report.replay_lsn));
  if (!is_primary && report.replay_lsn.valid()) {
    status->set_lag_bytes(static_cast<int64_t>(BytesBetween(report.replay_lsn, PrimaryLsn(state))));
    status->set_lag_seconds(static_cast<double>(report.replay_lag_milliseconds) / 1000.0);
  }
  status->set_postgres_version(report.server_version);
  status->set_agent_version(report.agent_version);
}

v1::MemberStatus ViewOf(const ClusterState& state,
                        const std::string& node,
                        const MemberView& member,
                        BootTime now) {
  v1::MemberStatus status;
  status.set_node(node);
  status.set_address(member.address);
  status.set_port(state.durable.spec.port);
  status.set_role("none");
  status.set_receive_lsn("0/0");
  status.set_replay_lsn("0/0");
  status.set_state(MemberStateOf(state, node, now));
  status.set_sync(SyncStateOf(state, node));
  status.set_agent_connected(member.connected);
  status.set_maintenance(state.durable.maintenance.count(node) > 0);
  if (member.report.has_value()) {
    FillReport(state, node, *member.report, &status);
  }
  if (node != state.durable.primary) {
    const std::string why_not = EligibleReasonOf(state, node, now);
    status.set_eligible(why_not.empty());
    status.set_eligible_reason(why_not);
  }
  return status;
}

// No member, but people look for it where the members are.
v1::MemberStatus WitnessView(const ClusterState& state, BootTime now) {
  v1::MemberStatus status;
  status.set_node(state.durable.spec.witness);
  status.set_address(state.witness.address);
  status.set_role("witness");
  status.set_state(WitnessStateOf(state, now));
  status.set_receive_lsn("0/0");
  status.set_replay_lsn("0/0");
  status.set_eligible_reason("a witness holds no data");
  status.set_agent_connected(state.witness.connected);
  if (state.witness.report.has_value()) {
    status.set_agent_version(state.witness.report->agent_version);
  }
  return status;
}

}  // namespace

v1::ClusterStatus StatusView(const ClusterState& state, BootTime now) {
  const Durable& durable = state.durable;
  const Phase phase = PhaseOf(state, now);
  v1::ClusterStatus status;
  status.set_name(durable.spec.name);
  status.set_tenant(durable.spec.tenant);
  status.set_phase(phase.name);
  status.set_phase_reason(phase.reason);
  status.set_epoch(durable.epoch);
  // While nobody is known to be writable there is no primary to name.
  if (durable.stage == Stage::kRunning || durable.stage == Stage::kStopping) {
    status.set_primary(durable.primary);
  }
  status.set_timeline(durable.timeline);
  status.set_system_identifier(
      durable.system_identifier == 0 ? "" : absl::StrCat(durable.system_identifier));
  status.set_paused(durable.paused);
  status.set_reinit(durable.reinit.node);
  status.mutable_restart()->Assign(durable.restart.nodes.begin(), durable.restart.nodes.end());
  v1::DnsStatus& dns = *status.mutable_dns();
  dns.set_primary(durable.spec.dns.primary);
  dns.set_in_sync(state.names.in_sync);
  dns.mutable_addresses()->Assign(state.names.answered.begin(), state.names.answered.end());
  for (const auto& [node, member] : state.members) {
    *status.add_members() = ViewOf(state, node, member, now);
  }
  if (!durable.spec.witness.empty()) {
    *status.add_members() = WitnessView(state, now);
  }
  return status;
}

}  // namespace pgmahout::controller
