// SPDX-License-Identifier: Apache-2.0
// NamesRouter: picks the DNS publisher whose zone a name lies in.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "controller/dns/publisher.h"

namespace pgmahout::controller {

class NamesRouter {
 public:
  // `zone` as in "db.example.", with the final dot.
  void Add(const std::string& zone, std::unique_ptr<DnsPublisher> publisher) {
    publishers_[zone] = std::move(publisher);
  }

  // The publisher of the longest zone that holds `name`; nullptr if none does.
  DnsPublisher* For(const std::string& name) const {
    DnsPublisher* best = nullptr;
    size_t best_length = 0;
    for (const auto& [zone, publisher] : publishers_) {
      const bool inside = name == zone || absl::EndsWith(name, "." + zone);
      if (inside && zone.size() > best_length) {
        best = publisher.get();
        best_length = zone.size();
      }
    }
    return best;
  }

 private:
  std::map<std::string, std::unique_ptr<DnsPublisher>> publishers_;
};

}  // namespace pgmahout::controller
