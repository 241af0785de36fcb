// SPDX-License-Identifier: Apache-2.0
// AdoptionPlan: what it would mean to take over the server that runs on one node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pgmahout {

struct SettingChange {
  std::string name;
  std::string from;
  std::string to;
  bool needs_restart = false;  // until then it stays as it is, and is pending

  friend bool operator==(const SettingChange&, const SettingChange&) = default;
};

// How a node gets its data.
enum class AdoptionPart { kPrimary, kStandby, kCopy };

// Texts are for people. Nothing in it is a secret.
struct AdoptionPlan {
  AdoptionPart part = AdoptionPart::kCopy;
  std::string server;  // what was found: version, data directory; empty: nothing
  uint64_t system_identifier = 0;
  std::vector<std::string> refusals;  // why it cannot be; empty: it can
  std::vector<SettingChange> settings;
  std::vector<std::string> hba;    // rules of its pg_hba.conf that no longer apply
  std::vector<std::string> notes;  // what else a person should know

  friend bool operator==(const AdoptionPlan&, const AdoptionPlan&) = default;
};

}  // namespace pgmahout
