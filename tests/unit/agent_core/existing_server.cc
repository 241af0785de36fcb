// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent_core/existing_server.h"

namespace pgmahout::agent {

ExistingServer GoodServer() {
  ExistingServer server;
  server.place = "/etc/postgresql/14/main";
  server.data_directory = "/srv/pg/14";
  server.runs = true;
  server.system_identifier = kSystemIdentifier;
  server.version = "14.23";
  server.major = 14;
  const auto set = [&server](const std::string& name, const std::string& value, bool restart) {
    server.settings[name] = ExistingSetting{value, restart, false, false};
  };
  set("port", "5432", true);
  set("wal_level", "replica", true);
  set("max_wal_senders", "10", true);
  set("max_replication_slots", "10", true);
  set("listen_addresses", "*", true);
  set("archive_mode", "off", true);
  set("wal_sender_timeout", "1min", false);
  set("synchronous_standby_names", "", false);
  set("data_checksums", "on", true);
  set("wal_log_hints", "off", true);
  server.roles = {"postgres", "pgmahout_replication"};
  server.databases = {"postgres"};
  return server;
}

World WithExisting(Assignment assignment, bool as_primary) {
  World world = Told(assignment);
  world.memory = Memory{};
  DesiredState& desired = *world.desired;
  desired.adopt = true;
  desired.quorum = Quorum{};
  desired.upstream = as_primary ? "db2" : "db1";
  desired.system_identifier = 0;
  world.observation.existing = GoodServer();
  world.observation.existing->in_recovery = !as_primary;
  if (assignment != Assignment::kPreview) {
    world.memory.epoch = kEpoch;
    world.memory.cluster = "orders";
  } else {
    desired.epoch = 0;
  }
  return world;
}

void Set(World& world, const std::string& name, const std::string& value) {
  world.observation.existing->settings[name].value = value;
}

}  // namespace pgmahout::agent
