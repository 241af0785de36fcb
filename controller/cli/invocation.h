// SPDX-License-Identifier: Apache-2.0
// Invocation: one call of `pgmahout` as plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "common/base/clock.h"

namespace pgmahout::cli {

struct Session;

enum class OutputFormat { kTable, kWide, kJson, kYaml, kName };

struct Invocation {
  // What to do; fails with a status that ExitCodeOf understands.
  std::function<absl::Status(Session*)> verb;

  // For every verb.
  OutputFormat output = OutputFormat::kTable;
  std::string context;  // empty: the file's currentContext
  std::string config;   // path of the contexts file
  Duration timeout{300'000};
  bool dry_run = false;
  bool yes = false;  // confirmed on the command line

  // For some.
  std::string file;    // -f; "-" is standard input
  std::string name;    // cluster or node
  std::string target;  // --to, --primary
  std::string role;    // credentials
  std::string id;      // token
  std::string node;    // token create, cluster reinit, cluster restart
  Duration ttl{3'600'000};
  bool wait = true;
  bool accept_data_loss = false;
  bool maintenance_on = false;  // node maintenance: --on, or --off
  bool force = false;           // cluster restart
  bool in_place = false;        // cluster restart
  bool spec_only = false;       // cluster show --spec
  bool client_only = false;     // version --client
  uint32_t limit = 50;          // events; 0: all
};

}  // namespace pgmahout::cli
