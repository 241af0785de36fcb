// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/debian_cluster.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/postgres/step_run.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/pg/quote.h"

namespace pgmahout::agent {
namespace {

constexpr char kCreateCluster[] = "/usr/bin/pg_createcluster";
constexpr Duration kCreateTimeout{60'000};

constexpr char kLeftBehind[] =
    "# The server's configuration is in /etc/postgresql. pg_rewind of a server that crashed "
    "starts\n"
    "# one that reads this file instead.\n";

absl::Status CheckMajor(const StepRun& run) {
  const DebianCluster& cluster = *run.layout.config().debian_cluster;
  const uint32_t wanted = run.desired.spec.postgres_major;
  if (wanted == cluster.major) {
    return absl::OkStatus();
  }
  return WithHint(absl::FailedPreconditionError(
                      absl::StrCat("this agent drives a unit of PostgreSQL ", cluster.major,
                                   ", but spec.postgresql.version is ", wanted)),
                  absl::StrCat("Name postgresql@", wanted, "-", cluster.name,
                               ".service in agent.yaml: postgres.unit."));
}

// Made around one of our data directories, or adopted?
absl::Status CheckOwner(const StepRun& run, const std::string& text) {
  const std::string& root = run.layout.config().data_root;
  if (absl::StrContains(text, absl::StrCat("'", root, "/")) ||
      absl::StrContains(text, kIncludeMark)) {
    return absl::OkStatus();
  }
  return WithInfo(
      absl::FailedPreconditionError(absl::StrCat("\"", run.layout.config().config_directory,
                                                 "\" configures a server that is not pgmahout's")),
      ErrorInfo{"foreign-cluster",
                absl::StrCat("Its data directory is not below \"", root,
                             "\". Configuration and data are left untouched."),
                "See pg_lsclusters. Use another cluster name in agent.yaml: postgres.unit; or take "
                "the old server away with pg_dropcluster."});
}

// pg_createcluster moves these three out of the data directory; a base backup of a Debian cluster
// has none of them.
absl::Status LayOutConfiguration(const std::string& data_directory, uint32_t major) {
  const std::string share = absl::StrCat("/usr/share/postgresql/", major);
  for (const char* name : {"postgresql.conf", "pg_ident.conf"}) {
    PGM_ASSIGN_OR_RETURN(const std::string sample,
                         ReadFile(absl::StrCat(share, "/", name, ".sample")));
    PGM_RETURN_IF_ERROR(WriteFileDurably(absl::StrCat(data_directory, "/", name), sample, 0600));
  }
  return WriteFileDurably(data_directory + "/pg_hba.conf", "local all postgres peer\n", 0600);
}

}  // namespace

std::optional<DebianCluster> DebianClusterOf(absl::string_view unit) {
  if (!absl::ConsumePrefix(&unit, "postgresql@") || !absl::ConsumeSuffix(&unit, ".service")) {
    return std::nullopt;
  }
  const size_t dash = unit.find('-');
  DebianCluster cluster;
  if (dash == absl::string_view::npos || dash + 1 == unit.size() ||
      !absl::SimpleAtoi(unit.substr(0, dash), &cluster.major)) {
    return std::nullopt;
  }
  cluster.name = std::string(unit.substr(dash + 1));
  return cluster;
}

absl::Status EnsureDebianCluster(const StepRun& run) {
  const InstanceConfig& config = run.layout.config();
  if (!config.debian_cluster.has_value()) {
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(CheckMajor(run));
  const absl::StatusOr<std::string> present =
      ReadFile(config.config_directory + "/postgresql.conf");
  if (!absl::IsNotFound(present.status())) {
    PGM_RETURN_IF_ERROR(present.status());
    return CheckOwner(run, *present);
  }
  const DebianCluster& cluster = *config.debian_cluster;
  const std::string directory = run.DataDirectory();
  PGM_RETURN_IF_ERROR(LayOutConfiguration(directory, cluster.major));
  // start.conf says manual: at boot nobody but the agent may start what could be a stale primary.
  PGM_RETURN_IF_ERROR(
      RunCommandOrFail(run.NewCommand({kCreateCluster, "--datadir", directory, "--port",
                                       absl::StrCat(run.desired.spec.port), "--socketdir",
                                       config.socket_directory, "--start-conf", "manual",
                                       absl::StrCat(cluster.major), cluster.name},
                                      kCreateTimeout))
          .status());
  return LeaveConfigurationBehind(directory);
}

absl::Status LeaveConfigurationBehind(const std::string& data_directory) {
  return WriteFileDurably(data_directory + "/postgresql.conf", kLeftBehind, 0600);
}

}  // namespace pgmahout::agent
