// SPDX-License-Identifier: Apache-2.0
// Protobuf messages <-> our own types. Everything that comes over a wire or out of a store is
// checked here, once; behind this door nobody checks again.
//
// Pure and thread-safe. Read ToModel first; agent_messages.cc has the agents' stream.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/model/cluster_spec.h"
#include "common/model/desired_state.h"
#include "common/model/report.h"
#include "common/wire/violations.h"
#include "pgmahout/v1/agent.pb.h"
#include "pgmahout/v1/resource.pb.h"

namespace pgmahout {

// A spec with every default filled in. InvalidArgument when anything is wrong: then `violations`
// (which may be null) gets everything that is, in the order of the spec, not only the first.
absl::StatusOr<ClusterSpec> ToModel(const v1::Cluster& cluster,
                                    std::vector<SpecViolation>* violations);

// Every field is set, defaults too; ToModel gives the same spec back.
v1::Cluster ToProto(const ClusterSpec& spec);

// For stores: protobuf JSON of v1::Cluster. ParseSpec checks like ToModel; DataLoss for text that
// is no such JSON.
std::string SerializeSpec(const ClusterSpec& spec);
absl::StatusOr<ClusterSpec> ParseSpec(absl::string_view serialized);

// What the controller sends. InvalidArgument from FromProto names the field that is wrong.
v1::DesiredState ToProto(const DesiredState& desired);
absl::StatusOr<DesiredState> FromProto(const v1::DesiredState& proto);

// Without the desired state, which is its own field of the same message.
v1::ControllerMessage ToProto(const Order& order);
absl::StatusOr<Order> FromProto(const v1::ControllerMessage& proto);

// What an agent sends. An agent may be broken or hostile: enumerations, names and sizes are checked
// (texts up to 4 KiB, names and versions up to 256 bytes, lists up to 64 entries), and control
// characters in what people read become spaces. Of `attached`, entries that are no node names are
// left out: they are other people's pg_receivewal.
v1::MemberReport ToProto(const Report& report);
v1::AdoptionPlan ToProto(const AdoptionPlan& plan);
absl::StatusOr<AdoptionPlan> FromProto(const v1::AdoptionPlan& proto);
absl::StatusOr<Report> FromProto(const v1::MemberReport& proto);

// The first message of a stream: short printable texts, and an address that is an IP address.
absl::Status CheckHello(const v1::Hello& hello);

v1::Quorum ToProto(const Quorum& quorum);
absl::StatusOr<Quorum> FromProto(const v1::Quorum& proto);

}  // namespace pgmahout
