// SPDX-License-Identifier: Apache-2.0
// What a controller sends to its agents: desired states and orders. Reports are in
// report_messages.cc.
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/pg/names.h"
#include "common/wire/agent_checks.h"
#include "common/wire/convert.h"

namespace pgmahout {
namespace {

constexpr uint32_t kLeaseMaxMilliseconds = 3'600'000;
constexpr size_t kSecretBytesMax = 4096;

v1::Assignment AssignmentToProto(Assignment assignment) {
  switch (assignment) {
    case Assignment::kNone:
      return v1::ASSIGNMENT_NONE;
    case Assignment::kBootstrap:
      return v1::ASSIGNMENT_BOOTSTRAP;
    case Assignment::kPrimary:
      return v1::ASSIGNMENT_PRIMARY;
    case Assignment::kStandby:
      return v1::ASSIGNMENT_STANDBY;
    case Assignment::kPrepare:
      return v1::ASSIGNMENT_PREPARE;
    case Assignment::kStop:
      return v1::ASSIGNMENT_STOP;
    case Assignment::kWitness:
      return v1::ASSIGNMENT_WITNESS;
    case Assignment::kPreview:
      return v1::ASSIGNMENT_PREVIEW;
    case Assignment::kAdopt:
      return v1::ASSIGNMENT_ADOPT;
  }
  return v1::ASSIGNMENT_NONE;
}

absl::StatusOr<Assignment> AssignmentFromProto(v1::Assignment assignment) {
  switch (assignment) {
    case v1::ASSIGNMENT_NONE:
      return Assignment::kNone;
    case v1::ASSIGNMENT_BOOTSTRAP:
      return Assignment::kBootstrap;
    case v1::ASSIGNMENT_PRIMARY:
      return Assignment::kPrimary;
    case v1::ASSIGNMENT_STANDBY:
      return Assignment::kStandby;
    case v1::ASSIGNMENT_PREPARE:
      return Assignment::kPrepare;
    case v1::ASSIGNMENT_STOP:
      return Assignment::kStop;
    case v1::ASSIGNMENT_WITNESS:
      return Assignment::kWitness;
    case v1::ASSIGNMENT_PREVIEW:
      return Assignment::kPreview;
    case v1::ASSIGNMENT_ADOPT:
      return Assignment::kAdopt;
    default:
      // Never guess: an unknown assignment comes from a newer controller.
      return WithHint(absl::InvalidArgumentError(
                          absl::StrCat("unknown assignment ", static_cast<int>(assignment))),
                      "The controller is newer than this agent; upgrade the agent.");
  }
}

v1::MemberAddress ToProto(const Member& member) {
  v1::MemberAddress proto;
  proto.set_node(member.node);
  proto.set_address(member.address);
  proto.set_port(member.port);
  return proto;
}

absl::StatusOr<Member> MemberFromProto(const v1::MemberAddress& proto) {
  PGM_RETURN_IF_ERROR(CheckObjectName("member name", proto.node()));
  PGM_RETURN_IF_ERROR(CheckWireText("member address", proto.address()));
  if (proto.port() > std::numeric_limits<uint16_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid port ", proto.port(), " of member \"", proto.node(), "\""));
  }
  return Member{proto.node(), proto.address(), static_cast<uint16_t>(proto.port())};
}

absl::Status CheckNames(const v1::DesiredState& proto) {
  PGM_RETURN_IF_ERROR(CheckWireNameIfSet("cluster name", proto.cluster()));
  PGM_RETURN_IF_ERROR(CheckWireNameIfSet("tenant", proto.tenant()));
  PGM_RETURN_IF_ERROR(CheckWireNameIfSet("upstream", proto.upstream()));
  PGM_RETURN_IF_ERROR(CheckWireList("members", proto.members_size()));
  if (proto.replication_password().size() > kSecretBytesMax) {
    return absl::InvalidArgumentError("replication password is too long");
  }
  if (proto.assignment() != v1::ASSIGNMENT_NONE && !proto.has_spec()) {
    return absl::InvalidArgumentError("desired state without a spec");
  }
  return absl::OkStatus();
}

absl::Status ReadMembersAndCredentials(const v1::DesiredState& proto, DesiredState* desired) {
  for (const v1::MemberAddress& member : proto.members()) {
    PGM_ASSIGN_OR_RETURN(Member converted, MemberFromProto(member));
    desired->members.push_back(std::move(converted));
  }
  if (proto.has_witness()) {
    PGM_ASSIGN_OR_RETURN(desired->witness, MemberFromProto(proto.witness()));
  }
  for (const v1::RoleCredential& credential : proto.credentials()) {
    PGM_RETURN_IF_ERROR(CheckRoleName(credential.role()));
    if (credential.verifier().size() > kSecretBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("verifier of role \"", credential.role(), "\" is too long"));
    }
    desired->credentials.push_back(RoleCredential{credential.role(), credential.verifier()});
  }
  return absl::OkStatus();
}

}  // namespace

v1::Quorum ToProto(const Quorum& quorum) {
  v1::Quorum proto;
  proto.set_number(quorum.number);
  proto.mutable_standbys()->Assign(quorum.standbys.begin(), quorum.standbys.end());
  proto.set_witness(quorum.witness);
  return proto;
}

absl::StatusOr<Quorum> FromProto(const v1::Quorum& proto) {
  PGM_RETURN_IF_ERROR(CheckWireList("quorum.standbys", proto.standbys_size()));
  Quorum quorum;
  quorum.number = proto.number();
  for (const std::string& standby : proto.standbys()) {
    PGM_RETURN_IF_ERROR(CheckObjectName("standby name", standby));
    quorum.standbys.push_back(standby);
  }
  PGM_RETURN_IF_ERROR(CheckWireNameIfSet("witness name", proto.witness()));
  quorum.witness = proto.witness();
  return quorum;
}

v1::DesiredState ToProto(const DesiredState& desired) {
  v1::DesiredState proto;
  proto.set_cluster(desired.cluster);
  proto.set_tenant(desired.tenant);
  proto.set_epoch(desired.epoch);
  proto.set_system_identifier(desired.system_identifier);
  proto.set_assignment(AssignmentToProto(desired.assignment));
  proto.set_upstream(desired.upstream);
  proto.set_upstream_timeline(desired.upstream_timeline);
  proto.set_parent_timeline(desired.parent_timeline);
  proto.set_fork_lsn(desired.fork_lsn.value);
  *proto.mutable_quorum() = ToProto(desired.quorum);
  for (const Member& member : desired.members) {
    *proto.add_members() = ToProto(member);
  }
  if (!desired.witness.node.empty()) {
    *proto.mutable_witness() = ToProto(desired.witness);
  }
  if (!desired.spec.name.empty()) {
    *proto.mutable_spec() = ToProto(desired.spec);
  }
  proto.set_replication_password(desired.replication_password);
  for (const RoleCredential& credential : desired.credentials) {
    v1::RoleCredential* const to = proto.add_credentials();
    to->set_role(credential.role);
    to->set_verifier(credential.verifier);
  }
  proto.set_may_rebuild(desired.may_rebuild);
  proto.set_clean_stop(desired.clean_stop);
  proto.set_hands_off(desired.hands_off);
  proto.set_rebuild_directory(desired.rebuild_directory);
  proto.set_restart_server(desired.restart_server);
  proto.set_new_timeline(desired.new_timeline);
  proto.set_former_primary_votes(desired.former_primary_votes);
  proto.set_adopt(desired.adopt);
  return proto;
}

absl::StatusOr<DesiredState> FromProto(const v1::DesiredState& proto) {
  PGM_RETURN_IF_ERROR(CheckNames(proto));
  DesiredState desired;
  desired.cluster = proto.cluster();
  desired.tenant = proto.tenant();
  desired.epoch = proto.epoch();
  desired.system_identifier = proto.system_identifier();
  PGM_ASSIGN_OR_RETURN(desired.assignment, AssignmentFromProto(proto.assignment()));
  desired.upstream = proto.upstream();
  desired.upstream_timeline = proto.upstream_timeline();
  desired.parent_timeline = proto.parent_timeline();
  desired.fork_lsn = Lsn{proto.fork_lsn()};
  PGM_ASSIGN_OR_RETURN(desired.quorum, FromProto(proto.quorum()));
  PGM_RETURN_IF_ERROR(ReadMembersAndCredentials(proto, &desired));
  if (proto.has_spec()) {
    PGM_ASSIGN_OR_RETURN(desired.spec, ToModel(proto.spec(), nullptr));
  }
  desired.replication_password = proto.replication_password();
  desired.may_rebuild = proto.may_rebuild();
  desired.clean_stop = proto.clean_stop();
  desired.hands_off = proto.hands_off();
  desired.rebuild_directory = proto.rebuild_directory();
  desired.restart_server = proto.restart_server();
  desired.new_timeline = proto.new_timeline();
  desired.former_primary_votes = proto.former_primary_votes();
  desired.adopt = proto.adopt();
  return desired;
}

v1::ControllerMessage ToProto(const Order& order) {
  v1::ControllerMessage proto;
  proto.set_answers(order.answers);
  proto.set_controller_incarnation(order.controller_incarnation);
  proto.set_controller_opening(order.controller_opening);
  proto.set_epoch(order.epoch);
  proto.set_generation(order.generation);
  proto.set_lease_ms(static_cast<uint32_t>(order.lease.count()));
  for (const auto& [node, lsn] : order.member_lsn) {
    (*proto.mutable_member_lsn())[node] = lsn.value;
  }
  return proto;
}

absl::StatusOr<Order> FromProto(const v1::ControllerMessage& proto) {
  if (proto.lease_ms() > kLeaseMaxMilliseconds) {
    return absl::InvalidArgumentError(
        absl::StrCat("lease of ", proto.lease_ms(), " ms is out of range"));
  }
  PGM_RETURN_IF_ERROR(CheckWireList("memberLsn", static_cast<int>(proto.member_lsn().size())));
  Order order;
  order.answers = proto.answers();
  order.controller_incarnation = proto.controller_incarnation();
  order.controller_opening = proto.controller_opening();
  order.epoch = proto.epoch();
  order.generation = proto.generation();
  order.lease = Duration(proto.lease_ms());
  for (const auto& [node, lsn] : proto.member_lsn()) {
    PGM_RETURN_IF_ERROR(CheckObjectName("member name", node));
    order.member_lsn[node] = Lsn{lsn};
  }
  return order;
}

}  // namespace pgmahout
