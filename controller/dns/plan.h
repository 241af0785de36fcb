// SPDX-License-Identifier: Apache-2.0
// A DnsIntent, checked and brought into one form: what the records of each name shall be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "controller/dns/name_version.h"
#include "controller/dns/publisher.h"

namespace pgmahout::controller {

// The addresses of one name, sorted, each once, in canonical text. Both empty: no such name.
struct PlannedName {
  std::string name;  // normalized
  std::vector<std::string> ipv4;
  std::vector<std::string> ipv6;
};

struct PublishPlan {
  std::string zone;                // normalized
  std::vector<PlannedName> names;  // the primary's name first; each once
  uint32_t ttl_seconds = 0;
  NameVersion version;

  const std::string& primary_name() const { return names.front().name; }
};

// `zone` must be normalized. InvalidArgument says which name or address is wrong and why: not a
// name or an address, outside the zone, used twice, or nothing to publish for the primary.
absl::StatusOr<PublishPlan> PlanPublication(const DnsIntent& intent, absl::string_view zone);

}  // namespace pgmahout::controller
