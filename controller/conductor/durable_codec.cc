// SPDX-License-Identifier: Apache-2.0
#include "controller/conductor/durable_codec.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/wire/convert.h"
#include "pgmahout/v1/store.pb.h"

namespace pgmahout::controller {
namespace {

constexpr std::array<std::pair<Stage, const char*>, 5> kStages = {{
    {Stage::kCreating, "creating"},
    {Stage::kRunning, "running"},
    {Stage::kStopping, "stopping"},
    {Stage::kFencing, "fencing"},
    {Stage::kPromoting, "promoting"},
}};

void SetNames(const NameRecords& names, v1::StoredNames* stored) {
  stored->set_epoch(names.epoch);
  stored->set_change(names.change);
  stored->mutable_primary_addresses()->Assign(names.primary_addresses.begin(),
                                              names.primary_addresses.end());
  stored->mutable_standby_addresses()->Assign(names.standby_addresses.begin(),
                                              names.standby_addresses.end());
}

NameRecords GetNames(const v1::StoredNames& stored) {
  NameRecords names;
  names.epoch = stored.epoch();
  names.change = stored.change();
  names.primary_addresses.assign(stored.primary_addresses().begin(),
                                 stored.primary_addresses().end());
  names.standby_addresses.assign(stored.standby_addresses().begin(),
                                 stored.standby_addresses().end());
  return names;
}

void SetRequests(const Durable& durable, v1::StoredCluster* stored) {
  stored->set_paused(durable.paused);
  stored->mutable_maintenance()->Assign(durable.maintenance.begin(), durable.maintenance.end());
  if (!durable.reinit.node.empty()) {
    v1::StoredReinit& reinit = *stored->mutable_reinit();
    reinit.set_node(durable.reinit.node);
    reinit.set_directory(durable.reinit.directory);
    reinit.set_epoch(durable.reinit.epoch);
    reinit.set_is_ordered(durable.reinit.is_ordered);
  }
  if (!durable.restart.nodes.empty()) {
    v1::StoredRestart& restart = *stored->mutable_restart();
    restart.mutable_nodes()->Assign(durable.restart.nodes.begin(), durable.restart.nodes.end());
    restart.set_server(durable.restart.server);
    restart.set_epoch(durable.restart.epoch);
    restart.set_in_place(durable.restart.in_place);
  }
}

void GetRequests(const v1::StoredCluster& stored, Durable* durable) {
  durable->paused = stored.paused();
  durable->maintenance.insert(stored.maintenance().begin(), stored.maintenance().end());
  const v1::StoredReinit& reinit = stored.reinit();
  durable->reinit = Reinit{reinit.node(), reinit.directory(), reinit.epoch(), reinit.is_ordered()};
  const v1::StoredRestart& restart = stored.restart();
  durable->restart = Restart{{restart.nodes().begin(), restart.nodes().end()},
                             restart.server(),
                             restart.epoch(),
                             restart.in_place()};
}

absl::StatusOr<Stage> StageOf(const std::string& name) {
  for (const auto& [stage, text] : kStages) {
    if (name == text) {
      return stage;
    }
  }
  return absl::DataLossError(absl::StrCat("unknown stage \"", name, "\""));
}

}  // namespace

std::string EncodeDurable(const Durable& durable) {
  v1::StoredCluster stored;
  *stored.mutable_spec() = ToProto(durable.spec);
  stored.set_revision(durable.revision);
  stored.set_system_identifier(durable.system_identifier);
  stored.set_epoch(durable.epoch);
  for (const auto& [stage, text] : kStages) {
    if (stage == durable.stage) {
      stored.set_stage(text);
    }
  }
  stored.set_primary(durable.primary);
  stored.set_timeline(durable.timeline);
  stored.set_parent_timeline(durable.parent_timeline);
  stored.set_fork_lsn(durable.fork_lsn.value);
  stored.set_timelines_ahead(durable.timelines_ahead);
  *stored.mutable_quorum() = ToProto(durable.quorum);
  for (const Quorum& older : durable.older) {
    *stored.add_older() = ToProto(older);
  }
  stored.set_sole_copy(durable.sole_copy);
  stored.set_lost_wal_end(durable.lost_wal_end.value);
  stored.set_quarantined(durable.quarantined);
  stored.set_confirmed_epoch(durable.confirmed_epoch);
  stored.set_planned(durable.planned);
  stored.set_target(durable.target);
  stored.set_accept_data_loss(durable.accept_data_loss);
  stored.set_was_healthy(durable.was_healthy);
  SetNames(durable.names, stored.mutable_names());
  stored.mutable_rejoined()->insert(durable.rejoined.begin(), durable.rejoined.end());
  stored.set_replication_password_sealed(durable.replication_password_sealed);
  SetRequests(durable, &stored);
  stored.set_adopted(durable.adopted);
  return stored.SerializeAsString();
}

absl::StatusOr<Durable> DecodeDurable(absl::string_view bytes) {
  v1::StoredCluster stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError("the record of a cluster is damaged");
  }
  Durable durable;
  PGM_ASSIGN_OR_RETURN(durable.spec, ToModel(stored.spec(), nullptr));
  durable.revision = stored.revision();
  durable.system_identifier = stored.system_identifier();
  durable.epoch = stored.epoch();
  PGM_ASSIGN_OR_RETURN(durable.stage, StageOf(stored.stage()));
  durable.primary = stored.primary();
  durable.timeline = stored.timeline();
  durable.parent_timeline = stored.parent_timeline();
  durable.fork_lsn = Lsn{stored.fork_lsn()};
  durable.timelines_ahead = stored.timelines_ahead();
  PGM_ASSIGN_OR_RETURN(durable.quorum, FromProto(stored.quorum()));
  for (const v1::Quorum& older : stored.older()) {
    PGM_ASSIGN_OR_RETURN(durable.older.emplace_back(), FromProto(older));
  }
  durable.sole_copy = stored.sole_copy();
  durable.lost_wal_end = Lsn{stored.lost_wal_end()};
  durable.quarantined = stored.quarantined();
  durable.confirmed_epoch = stored.confirmed_epoch();
  durable.planned = stored.planned();
  durable.target = stored.target();
  durable.accept_data_loss = stored.accept_data_loss();
  durable.was_healthy = stored.was_healthy();
  durable.names = GetNames(stored.names());
  durable.rejoined.insert(stored.rejoined().begin(), stored.rejoined().end());
  durable.replication_password_sealed = stored.replication_password_sealed();
  GetRequests(stored, &durable);
  durable.adopted = stored.adopted();
  return durable;
}

}  // namespace pgmahout::controller
