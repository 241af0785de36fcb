// SPDX-License-Identifier: Apache-2.0
// Layout: where things of one server lie below data_root, and how its tools are found.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/core/memory.h"
#include "agent/postgres/instance.h"
#include "common/base/error.h"

namespace pgmahout::agent {

class Layout {
 public:
  explicit Layout(InstanceConfig config) : config_(std::move(config)) {}

  const InstanceConfig& config() const { return config_; }

  // Configuration, socket and log are where postgresql-common has them.
  bool IsDebian() const { return config_.debian_cluster.has_value(); }

  // Number 0 is no directory at all: nothing was made yet.
  std::string DataDirectory(uint64_t number) const {
    return absl::StrCat(config_.data_root, "/pgdata.", number);
  }

  // The number of a directory named "pgdata.<number>"; nothing for any other name.
  static std::optional<uint64_t> NumberOf(absl::string_view name) {
    uint64_t number = 0;
    if (!absl::ConsumePrefix(&name, "pgdata.") || !absl::SimpleAtoi(name, &number)) {
      return std::nullopt;
    }
    return number;
  }

  // Where a directory is made, before it gets its name.
  std::string PartialDirectory(uint64_t number) const { return DataDirectory(number) + ".partial"; }

  // The base backup that goes on while agents come and go (LastingJob). Not beside the data, whose
  // disk may fill up, or be one on which locks are not what they are here.
  std::string CopyJob() const { return config_.state_dir + "/base-backup"; }

  // pg_rewind is at work, and the directory is of no use until it is done. Beside the directory:
  // inside, pg_rewind would remove what its source does not have.
  static std::string RewindMark(const std::string& data_directory) {
    return data_directory + ".rewinding";
  }

  std::string ConfigFile(const std::string& data_directory) const {
    return IsDebian() ? config_.config_directory + "/conf.d/90-pgmahout.conf"
                      : data_directory + "/pgmahout.conf";
  }

  std::string HbaFile(const std::string& data_directory) const {
    return (IsDebian() ? config_.config_directory : data_directory) + "/pg_hba.conf";
  }

  // The server's own, which includes ours.
  std::string MainConfigFile(const std::string& data_directory) const {
    return (IsDebian() ? config_.config_directory : data_directory) + "/postgresql.conf";
  }

  // Debian: whether the server is started at boot. Not known elsewhere.
  std::string StartConfFile() const { return config_.config_directory + "/start.conf"; }

  // Where a file of somebody's own is kept while ours is in its place.
  static std::string Before(const std::string& path) { return path + ".before-pgmahout"; }

  // Debian's tools read the configuration as any user; it holds no secrets.
  mode_t ConfigMode() const { return IsDebian() ? 0644 : 0600; }

  static std::string AutoConfFile(const std::string& data_directory) {
    return data_directory + "/postgresql.auto.conf";
  }

  static std::string StandbySignal(const std::string& data_directory) {
    return data_directory + "/standby.signal";
  }

  std::string SocketDirectory() const {
    return IsDebian() ? config_.socket_directory : config_.data_root + "/run";
  }

  std::string LogDirectory() const {
    return IsDebian() ? config_.log_directory : config_.data_root + "/log";
  }

  std::string PostmasterLog() const { return LogDirectory() + "/postmaster.log"; }

  std::string TlsDirectory() const { return config_.data_root + "/tls"; }

  // What was written last into files that a person may edit.
  std::string RecordDirectory() const { return config_.data_root + "/written"; }

  std::string PasswordFile() const { return config_.data_root + "/replication.pass"; }

  std::string DivergedDirectory(uint64_t epoch) const {
    return absl::StrCat(config_.data_root, "/diverged/epoch-", epoch);
  }

  // The directory with the programs of a major version; FailedPrecondition if the agent knows none.
  absl::StatusOr<std::string> BinDirectory(uint32_t major) const {
    const auto found = config_.bin_directories.find(major);
    if (found == config_.bin_directories.end()) {
      return WithHint(absl::FailedPreconditionError(
                          absl::StrCat("no programs of PostgreSQL ", major, " are configured")),
                      "Install that version, or name its bin directory in agent.yaml: "
                      "postgres.binDirs.");
    }
    return found->second;
  }

 private:
  InstanceConfig config_;
};

}  // namespace pgmahout::agent
