// SPDX-License-Identifier: Apache-2.0
// Our spec as the message that users write, with every default spelled out.
#include "absl/strings/str_cat.h"
#include "common/wire/convert.h"
#include "common/wire/units.h"

namespace pgmahout {
namespace {

absl::string_view DurabilityWord(DataDurability durability) {
  switch (durability) {
    case DataDurability::kPreferred:
      return "preferred";
    case DataDurability::kRequired:
      return "required";
    case DataDurability::kOff:
      return "off";
  }
  return "";
}

void WritePostgresql(const ClusterSpec& spec, v1::Postgresql* proto) {
  proto->set_version(spec.postgres_major);
  proto->set_port(spec.port);
  for (const auto& [name, value] : spec.parameters) {
    (*proto->mutable_parameters())[name] = value;
  }
  for (const HbaRule& rule : spec.hba) {
    v1::HbaRule* const to = proto->add_pg_hba();
    to->set_type(rule.type);
    to->mutable_databases()->Assign(rule.databases.begin(), rule.databases.end());
    to->mutable_users()->Assign(rule.users.begin(), rule.users.end());
    to->set_source(rule.source);
    to->set_method(rule.method);
  }
}

void WriteFailover(const FailoverSpec& failover, v1::Failover* proto) {
  proto->set_mode(failover.automatic ? "automatic" : "manual");
  proto->set_detect_after(FormatDuration(failover.detect_after));
  proto->set_lease_ttl(FormatDuration(failover.lease_ttl));
  proto->set_max_lag(FormatSize(failover.max_lag_bytes));
  proto->set_on_crash(failover.restart_on_crash ? "restart" : "failover");
  for (const auto& [node, priority] : failover.priority) {
    (*proto->mutable_priority())[node] = priority;
  }
}

void WriteDns(const DnsSpec& dns, v1::Dns* proto) {
  proto->set_primary(dns.primary);
  proto->set_standbys(dns.standbys);
  proto->set_ttl(absl::StrCat(dns.ttl_seconds, "s"));
}

void WriteRole(const RoleSpec& role, v1::Role* proto) {
  proto->set_name(role.name);
  proto->set_login(role.login);
  for (const RoleAccess& access : role.access) {
    v1::Access* const to = proto->add_access();
    to->set_database(access.database);
    to->set_preset(access.preset);
  }
}

}  // namespace

v1::Cluster ToProto(const ClusterSpec& spec) {
  v1::Cluster cluster;
  cluster.set_api_version("pgmahout/v1");
  cluster.set_kind("Cluster");
  cluster.mutable_metadata()->set_name(spec.name);
  cluster.mutable_metadata()->set_tenant(spec.tenant);
  cluster.mutable_metadata()->mutable_labels()->insert(spec.labels.begin(), spec.labels.end());
  v1::ClusterSpec* const to = cluster.mutable_spec();
  to->mutable_placement()->mutable_nodes()->Assign(spec.nodes.begin(), spec.nodes.end());
  to->mutable_placement()->set_witness(spec.witness);
  WritePostgresql(spec, to->mutable_postgresql());
  to->mutable_synchronous()->set_method("any");
  to->mutable_synchronous()->set_number(spec.synchronous.number);
  to->mutable_synchronous()->set_data_durability(
      std::string(DurabilityWord(spec.synchronous.durability)));
  WriteFailover(spec.failover, to->mutable_failover());
  if (spec.dns != DnsSpec{}) {
    WriteDns(spec.dns, to->mutable_dns());
  }
  if (!spec.archive_directory.empty()) {
    to->mutable_archive()->set_directory(spec.archive_directory);
  }
  for (const DatabaseSpec& database : spec.databases) {
    v1::Database* const database_proto = to->add_databases();
    database_proto->set_name(database.name);
    database_proto->set_owner(database.owner);
    database_proto->mutable_extensions()->Assign(database.extensions.begin(),
                                                 database.extensions.end());
  }
  for (const RoleSpec& role : spec.roles) {
    WriteRole(role, to->add_roles());
  }
  return cluster;
}

}  // namespace pgmahout
