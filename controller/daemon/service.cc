// SPDX-License-Identifier: Apache-2.0
#include "controller/daemon/service.h"

#include <map>

#include "absl/strings/str_cat.h"

namespace pgmahout::controller {
namespace {

std::string Count(uint64_t number, absl::string_view noun) {
  return absl::StrCat(number, " ", noun, number == 1 ? "" : "s");
}

}  // namespace

std::string StatusLine(const ControllerSnapshot& snapshot) {
  std::map<std::string, uint64_t> phases;
  for (const ClusterSnapshot& cluster : snapshot.clusters) {
    ++phases[cluster.phase];
  }
  std::string line = Count(snapshot.clusters.size(), "cluster");
  absl::string_view separator = ": ";
  for (const auto& [phase, number] : phases) {
    absl::StrAppend(&line, separator, number, " ", phase);
    separator = ", ";
  }
  absl::StrAppend(&line, "; ", Count(snapshot.agents_connected, "agent"), " connected");
  return line;
}

}  // namespace pgmahout::controller
