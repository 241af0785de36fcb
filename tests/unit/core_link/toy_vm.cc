// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/core_link/toy_vm.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pgmahout {
namespace {

agent::SqlFacts Ask(const ToyVm& vm, BootTime now, const std::map<std::string, ToyVm>& all) {
  agent::SqlFacts sql;
  const ToyServer& server = vm.server;
  sql.in_recovery = server.in_recovery;
  sql.timeline = vm.disk.timeline;
  sql.config_id = agent::ConfigIdOf(server.loaded.text);
  sql.synchronous_standby_names = agent::RenderSynchronousStandbyNames(server.loaded.quorum);
  sql.since_config_load = now - server.loaded_at;
  sql.roles_id = vm.disk.roles_id;
  for (const std::string& slot : vm.disk.slots) {
    sql.slots.push_back(agent::Slot{slot, true, Lsn{1}});
  }
  if (server.in_recovery) {
    sql.receive_lsn = LsnAt(vm.disk.wal.size());
    sql.replay_lsn = sql.receive_lsn;
    sql.receiver_exists = !server.receives_from.empty();
    const auto upstream = all.find(server.receives_from);
    sql.receiver_streaming = upstream != all.end() && CanTalk(vm, upstream->second, now) &&
                             CanFollow(vm, upstream->second);
    return sql;
  }
  sql.write_lsn = LsnAt(vm.disk.wal.size());
  sql.parent_timeline = vm.disk.parent_timeline;
  sql.fork_lsn = vm.disk.fork_lsn;
  for (const auto& [name, other] : all) {
    if (other.server.running && other.server.receives_from == vm.name && CanTalk(vm, other, now) &&
        CanFollow(other, vm)) {
      const auto known = server.flushed.find(name);
      const size_t flushed = known == server.flushed.end() ? 0 : known->second;
      sql.attached.push_back(Attached{name, true, "", LsnAt(flushed), LsnAt(flushed)});
    }
  }
  return sql;
}

}  // namespace

std::string AddressOf(const std::string& node) {
  return absl::StrCat("10.0.0.", node.substr(2));
}

bool CanTalk(const ToyVm& one, const ToyVm& other, BootTime now) {
  return one.Acts(now) && other.Acts(now) && one.cut_from != other.name &&
         other.cut_from != one.name;
}

bool CanFollow(const ToyVm& standby, const ToyVm& primary) {
  return primary.IsPrimary() && standby.disk.wal.size() <= primary.disk.wal.size() &&
         std::equal(standby.disk.wal.begin(), standby.disk.wal.end(), primary.disk.wal.begin());
}

agent::World ToyVm::See(BootTime now, const std::map<std::string, ToyVm>& all) const {
  agent::World world;
  world.desired = desired;
  world.lease = lease;
  world.memory = disk.memory;
  world.context.node = name;
  world.context.address = AddressOf(name);
  world.now = now;
  agent::Observation& seen = world.observation;
  seen.taken_at = now;
  seen.data.exists = disk.exists;
  seen.data.complete = disk.exists;
  seen.data.standby_signal = disk.standby_signal;
  seen.data.system_identifier = disk.exists ? 77 : 0;
  seen.data.config = disk.config.text;
  seen.data.hba = disk.hba;
  seen.postmaster_alive = server.running;
  if (server.running && now < hung_until) {
    seen.server = ServerState::kHung;
  } else if (server.running) {
    seen.server = ServerState::kRunning;
    seen.sql = Ask(*this, now, all);
    seen.not_streaming_since = not_streaming_since;
  } else if (disk.exists) {
    seen.server = ServerState::kStopped;
    seen.data.control =
        agent::ControlData{77, disk.control_state, disk.timeline, disk.checkpoint_lsn, Lsn{}, 0};
  }
  return world;
}

void ToyVm::Load(BootTime now) {
  server.loaded_before = server.loaded.quorum;
  server.loaded = disk.config;
  server.loaded_at = now;
}

void ToyVm::StartServer(BootTime now) {
  server = ToyServer{};
  server.running = true;
  server.in_recovery = disk.standby_signal;
  server.acknowledged = disk.wal.size();  // the clients of before are gone
  disk.control_state = disk.standby_signal ? "in archive recovery" : "in production";
  Load(now);
  server.loaded_before = server.loaded.quorum;
}

void ToyVm::StopServer(bool clean) {
  if (!server.running) {
    return;
  }
  if (clean && !server.in_recovery) {
    disk.checkpoint_lsn = LsnAt(disk.wal.size());
    disk.wal.push_back(0);
    disk.control_state = "shut down";
  } else if (clean) {
    disk.control_state = "shut down in recovery";
  }
  server.running = false;
  server.receives_from.clear();
}

}  // namespace pgmahout
