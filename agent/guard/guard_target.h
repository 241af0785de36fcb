// SPDX-License-Identifier: Apache-2.0
// The data directory that the current order names, proven to be one. Proven when an order first
// names it and not only when its deadline has passed: by then the disk may hang, and a look at it
// would keep the guard from killing.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "agent/guard/guard_file.h"

namespace pgmahout::guard {

class GuardTarget {
 public:
  // Proves what `order` (may be null) names, when it is armed or names another. Not OK, once, if
  // that is no data directory: the guard will have to refuse it at the deadline.
  absl::Status Follow(const GuardOrder* order);

  // Proves it now if that did not succeed yet. Call with an armed order that was followed.
  absl::Status ProveIfNeeded();

  // Empty while nothing is proven.
  const std::string& real_directory() const { return real_directory_; }

 private:
  std::optional<std::string> armed_for_;  // as the order names it
  std::string real_directory_;
};

}  // namespace pgmahout::guard
