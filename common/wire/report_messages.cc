// SPDX-License-Identifier: Apache-2.0
// What an agent sends with every heartbeat. The sender is authenticated, not trusted.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/pg/names.h"
#include "common/wire/agent_checks.h"
#include "common/wire/convert.h"

namespace pgmahout {
namespace {

constexpr size_t kTextBytesMax = 4096;
constexpr size_t kWordBytesMax = 256;
constexpr int kListMax = 64;

v1::ServerState StateToProto(ServerState state) {
  switch (state) {
    case ServerState::kAbsent:
      return v1::SERVER_ABSENT;
    case ServerState::kStopped:
      return v1::SERVER_STOPPED;
    case ServerState::kStarting:
      return v1::SERVER_STARTING;
    case ServerState::kRunning:
      return v1::SERVER_RUNNING;
    case ServerState::kStopping:
      return v1::SERVER_STOPPING;
    case ServerState::kHung:
      return v1::SERVER_HUNG;
  }
  return v1::SERVER_ABSENT;
}

absl::StatusOr<ServerState> StateFromProto(v1::ServerState state) {
  switch (state) {
    case v1::SERVER_ABSENT:
      return ServerState::kAbsent;
    case v1::SERVER_STOPPED:
      return ServerState::kStopped;
    case v1::SERVER_STARTING:
      return ServerState::kStarting;
    case v1::SERVER_RUNNING:
      return ServerState::kRunning;
    case v1::SERVER_STOPPING:
      return ServerState::kStopping;
    case v1::SERVER_HUNG:
      return ServerState::kHung;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("unknown server state ", static_cast<int>(state), " in a report"));
  }
}

v1::ServerRole RoleToProto(ServerRole role) {
  switch (role) {
    case ServerRole::kUnknown:
      return v1::ROLE_UNKNOWN;
    case ServerRole::kPrimary:
      return v1::ROLE_PRIMARY;
    case ServerRole::kStandby:
      return v1::ROLE_STANDBY;
  }
  return v1::ROLE_UNKNOWN;
}

absl::StatusOr<ServerRole> RoleFromProto(v1::ServerRole role) {
  switch (role) {
    case v1::ROLE_UNKNOWN:
      return ServerRole::kUnknown;
    case v1::ROLE_PRIMARY:
      return ServerRole::kPrimary;
    case v1::ROLE_STANDBY:
      return ServerRole::kStandby;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("unknown server role ", static_cast<int>(role), " in a report"));
  }
}

absl::Status CheckBytes(absl::string_view field, absl::string_view text, size_t most) {
  if (text.size() > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " has ", text.size(), " bytes; at most ", most, " are allowed"));
  }
  return absl::OkStatus();
}

void WriteAttached(const std::vector<Attached>& attached, v1::MemberReport* proto) {
  for (const Attached& standby : attached) {
    v1::AttachedStandby* const to = proto->add_attached();
    to->set_node(standby.node);
    to->set_streaming(standby.streaming);
    to->set_sync_state(standby.sync_state);
    to->set_flush_lsn(standby.flush_lsn.value);
    to->set_replay_lsn(standby.replay_lsn.value);
  }
}

absl::Status ReadAttached(const v1::MemberReport& proto, Report* report) {
  PGM_RETURN_IF_ERROR(CheckWireList("attached", proto.attached_size()));
  for (const v1::AttachedStandby& standby : proto.attached()) {
    PGM_RETURN_IF_ERROR(CheckWireWord("attached.node", standby.node()));
    PGM_RETURN_IF_ERROR(CheckWireWord("attached.syncState", standby.sync_state()));
    // application_name is free text: a person's pg_receivewal must not make a report invalid.
    if (!CheckObjectName("node name", standby.node()).ok()) {
      continue;
    }
    report->attached.push_back(Attached{standby.node(), standby.streaming(), standby.sync_state(),
                                        Lsn{standby.flush_lsn()}, Lsn{standby.replay_lsn()}});
  }
  return absl::OkStatus();
}

absl::Status CheckTexts(const v1::MemberReport& proto) {
  PGM_RETURN_IF_ERROR(CheckWireNameIfSet("cluster name", proto.cluster()));
  PGM_RETURN_IF_ERROR(CheckWireNameIfSet("receiver upstream", proto.receiver_upstream()));
  PGM_RETURN_IF_ERROR(CheckWireWord("serverVersion", proto.server_version()));
  PGM_RETURN_IF_ERROR(CheckWireWord("agentVersion", proto.agent_version()));
  PGM_RETURN_IF_ERROR(CheckWireText("step", proto.step()));
  PGM_RETURN_IF_ERROR(CheckWireText("stepError", proto.step_error()));
  PGM_RETURN_IF_ERROR(CheckWireText("illness", proto.illness()));
  PGM_RETURN_IF_ERROR(CheckWireText("receiverTrouble", proto.receiver_trouble()));
  PGM_RETURN_IF_ERROR(CheckWireList("pendingRestart", proto.pending_restart_size()));
  for (const std::string& parameter : proto.pending_restart()) {
    PGM_RETURN_IF_ERROR(CheckWireWord("pendingRestart", parameter));
  }
  return absl::OkStatus();
}

// Everything that is only copied.
void CopyFigures(const v1::MemberReport& proto, Report* report) {
  report->cluster = proto.cluster();
  report->epoch = proto.epoch();
  report->generation = proto.generation();
  report->obeyed_incarnation = proto.obeyed_incarnation();
  report->obeyed_opening = proto.obeyed_opening();
  report->system_identifier = proto.system_identifier();
  report->data_is_complete = proto.data_is_complete();
  report->timeline = proto.timeline();
  report->parent_timeline = proto.parent_timeline();
  report->fork_lsn = Lsn{proto.fork_lsn()};
  report->write_lsn = Lsn{proto.write_lsn()};
  report->receive_lsn = Lsn{proto.receive_lsn()};
  report->replay_lsn = Lsn{proto.replay_lsn()};
  report->replay_lag_milliseconds = proto.replay_lag_ms();
  report->replay_paused = proto.replay_paused();
  report->receiver_streaming = proto.receiver_streaming();
  report->receiver_upstream = proto.receiver_upstream();
  report->upstream_unreachable = proto.upstream_unreachable();
  report->clean_stop = proto.clean_stop();
  report->writable_epoch = proto.writable_epoch();
  report->started_epoch = proto.started_epoch();
  report->roles_ready = proto.roles_ready();
  report->alone_epoch = proto.alone_epoch();
  report->server_version = Printable(proto.server_version());
  report->agent_version = Printable(proto.agent_version());
  report->step = Printable(proto.step());
  report->step_error = Printable(proto.step_error());
  report->illness = Printable(proto.illness());
  report->pending_restart.assign(proto.pending_restart().begin(), proto.pending_restart().end());
  report->disk_free_bytes = proto.disk_free_bytes();
  report->disk_bytes = proto.disk_bytes();
  report->receiver_trouble = Printable(proto.receiver_trouble());
  // A century is as good as never, and fits into a Duration.
  constexpr uint64_t kMost = uint64_t{100} * 366 * 24 * 3600 * 1000;
  if (proto.disk_full_in_ms() > 0 && proto.disk_full_in_ms() < kMost) {
    report->disk_full_in = Duration{static_cast<int64_t>(proto.disk_full_in_ms())};
  }
  if (proto.has_diverged()) {
    const v1::DivergedWal& diverged = proto.diverged();
    report->diverged = DivergedWal{diverged.epoch(), diverged.timeline(), Lsn{diverged.from_lsn()},
                                   Lsn{diverged.to_lsn()}};
  }
  report->server_started = proto.server_started();
  report->data_number = proto.data_number();
}

}  // namespace

std::string Printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(c); }, ' ');
  return text;
}

absl::Status CheckWireText(absl::string_view field, absl::string_view text) {
  return CheckBytes(field, text, kTextBytesMax);
}

absl::Status CheckWireWord(absl::string_view field, absl::string_view text) {
  return CheckBytes(field, text, kWordBytesMax);
}

absl::Status CheckWireList(absl::string_view field, int size) {
  if (size > kListMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " has ", size, " entries; at most ", kListMax, " are allowed"));
  }
  return absl::OkStatus();
}

absl::Status CheckWireNameIfSet(absl::string_view field, absl::string_view name) {
  return name.empty() ? absl::OkStatus() : CheckObjectName(field, name);
}

v1::MemberReport ToProto(const Report& report) {
  v1::MemberReport proto;
  proto.set_cluster(report.cluster);
  proto.set_epoch(report.epoch);
  proto.set_generation(report.generation);
  proto.set_obeyed_incarnation(report.obeyed_incarnation);
  proto.set_obeyed_opening(report.obeyed_opening);
  proto.set_system_identifier(report.system_identifier);
  proto.set_server(StateToProto(report.server));
  proto.set_role(RoleToProto(report.role));
  proto.set_data_is_complete(report.data_is_complete);
  proto.set_timeline(report.timeline);
  proto.set_parent_timeline(report.parent_timeline);
  proto.set_fork_lsn(report.fork_lsn.value);
  proto.set_write_lsn(report.write_lsn.value);
  proto.set_receive_lsn(report.receive_lsn.value);
  proto.set_replay_lsn(report.replay_lsn.value);
  proto.set_replay_lag_ms(report.replay_lag_milliseconds);
  proto.set_replay_paused(report.replay_paused);
  proto.set_receiver_streaming(report.receiver_streaming);
  proto.set_receiver_upstream(report.receiver_upstream);
  proto.set_upstream_unreachable(report.upstream_unreachable);
  if (report.diverged.has_value()) {
    v1::DivergedWal& diverged = *proto.mutable_diverged();
    diverged.set_epoch(report.diverged->epoch);
    diverged.set_timeline(report.diverged->timeline);
    diverged.set_from_lsn(report.diverged->from.value);
    diverged.set_to_lsn(report.diverged->to.value);
  }
  if (report.quorum_in_effect.has_value()) {
    *proto.mutable_quorum_in_effect() = ToProto(*report.quorum_in_effect);
  }
  WriteAttached(report.attached, &proto);
  if (report.ballot.has_value()) {
    proto.mutable_ballot()->set_epoch(report.ballot->epoch);
    proto.mutable_ballot()->set_timeline(report.ballot->timeline);
    proto.mutable_ballot()->set_lsn(report.ballot->lsn.value);
  }
  proto.set_clean_stop(report.clean_stop);
  proto.set_writable_epoch(report.writable_epoch);
  proto.set_started_epoch(report.started_epoch);
  proto.set_roles_ready(report.roles_ready);
  proto.set_alone_epoch(report.alone_epoch);
  proto.set_server_version(report.server_version);
  proto.set_agent_version(report.agent_version);
  proto.set_step(report.step);
  proto.set_step_error(report.step_error);
  proto.set_illness(report.illness);
  proto.mutable_pending_restart()->Assign(report.pending_restart.begin(),
                                          report.pending_restart.end());
  proto.set_disk_free_bytes(report.disk_free_bytes);
  proto.set_disk_bytes(report.disk_bytes);
  // 0 means never, so a full disk is told as one that is full in a moment.
  proto.set_disk_full_in_ms(
      report.disk_full_in.has_value()
          ? std::max<uint64_t>(1, static_cast<uint64_t>(report.disk_full_in->count()))
          : 0);
  proto.set_receiver_trouble(report.receiver_trouble);
  proto.set_server_started(report.server_started);
  proto.set_data_number(report.data_number);
  if (report.adoption.has_value()) {
    *proto.mutable_adoption() = ToProto(*report.adoption);
  }
  return proto;
}

absl::StatusOr<Report> FromProto(const v1::MemberReport& proto) {
  PGM_RETURN_IF_ERROR(CheckTexts(proto));
  Report report;
  CopyFigures(proto, &report);
  PGM_ASSIGN_OR_RETURN(report.server, StateFromProto(proto.server()));
  PGM_ASSIGN_OR_RETURN(report.role, RoleFromProto(proto.role()));
  PGM_RETURN_IF_ERROR(ReadAttached(proto, &report));
  if (proto.has_quorum_in_effect()) {
    PGM_ASSIGN_OR_RETURN(report.quorum_in_effect, FromProto(proto.quorum_in_effect()));
  }
  if (proto.has_adoption()) {
    PGM_ASSIGN_OR_RETURN(report.adoption, FromProto(proto.adoption()));
  }
  if (proto.has_ballot()) {
    report.ballot =
        Ballot{proto.ballot().epoch(), proto.ballot().timeline(), Lsn{proto.ballot().lsn()}};
  }
  return report;
}

}  // namespace pgmahout
