// SPDX-License-Identifier: Apache-2.0
// The two files that configure a server, as text: pgmahout.conf and pg_hba.conf. Pure, so that a
// difference between what should be and what is on disk is a comparison of two strings.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/model/desired_state.h"

namespace pgmahout::agent {

// What of this VM goes into the configuration. Paths are absolute.
struct ConfigContext {
  std::string node;
  std::string address;
  std::string socket_directory;
  std::string log_directory;  // empty: stderr, which belongs to whoever starts the server
  std::string certificate_file, key_file, ca_file;  // readable by the server
  std::string password_file;                        // libpq passfile of the replication role
  std::string wal_program;
  // Not of the VM: the epoch at which this primary asks its witness to go on alone; 0: it does not.
  uint64_t wished_epoch = 0;
  // Named in the configuration where that is not in the data directory; else empty.
  std::string data_directory{};
};

// The replication role that standbys and pg_rewind connect as.
inline constexpr absl::string_view kReplicationRole = "pgmahout_replication";

// Set in pgmahout.conf to the epoch at which the primary asks its witness to go on alone.
inline constexpr absl::string_view kWishParameter = "pgmahout.alone_wish";

// pgmahout.conf for what `desired` says. With `detached` primary_conninfo and restore_command are
// empty: a standby that has voted receives from nobody. restore_command is set only where there is
// a confirmed primary to follow. The last line sets pgmahout.config_id to a
// hash of the rest, so that a connection can tell which version the server has loaded.
std::string RenderConfig(const DesiredState& desired, const ConfigContext& context, bool detached);

// The id that RenderConfig put into `config`.
std::string ConfigIdOf(absl::string_view config);

// Whether two configurations hold the same spec.postgresql.parameters, so that the difference is
// ours alone and the server's parser need not check it again.
bool SameUserParameters(absl::string_view config, absl::string_view other);

// pg_hba.conf: local peer, replication from member addresses only, the user's rules, a final
// reject.
std::string RenderHba(const DesiredState& desired);

// "ANY 1 (\"db1\", \"db3\")"; empty for number 0.
std::string RenderSynchronousStandbyNames(const Quorum& quorum);

// Identifies the roles, databases and passwords of `desired`; changes when any of them does.
std::string RolesIdOf(const DesiredState& desired);

// The parameters that `config` sets, the last one of a name counts. For what RenderConfig writes:
// one quoted value a line.
std::map<std::string, std::string> SettingsOf(absl::string_view config);

// Parameters that RenderConfig owns; a spec may not set them, postgresql.auto.conf must not.
const std::vector<std::string>& OwnedParameters();

}  // namespace pgmahout::agent
