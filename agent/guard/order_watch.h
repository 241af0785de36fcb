// SPDX-License-Identifier: Apache-2.0
// Which order counts: the last valid one that was read in this boot. Whatever else happens to the
// file (damaged, removed, unreadable), that order's deadline still counts: only a valid order that
// says so disarms a guard.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "agent/guard/guard_file.h"
#include "common/base/clock.h"

namespace pgmahout::guard {

// No lease is this long: a deadline beyond it comes from another clock, and would never be reached.
inline constexpr Duration kMaxAhead{24LL * 3'600'000};

// Not thread-safe.
class OrderWatch {
 public:
  OrderWatch(std::string path, std::string boot_id);

  // Reads the file again. Not OK once per problem: what is wrong with the file; the order before
  // it is kept then. Never waits for a writer, nor for what else may lie there under that name.
  absl::Status Poll(BootTime now);

  // Null as long as there was no valid order.
  const GuardOrder* order() const { return order_.has_value() ? &*order_ : nullptr; }

 private:
  absl::Status Read();
  absl::Status Take(BootTime now);
  absl::Status SayOnce(const absl::Status& problem);

  const std::string path_;
  const std::string boot_id_;
  std::string text_;   // as read last
  std::string taken_;  // as decoded last
  std::optional<GuardOrder> order_;
  std::string said_;  // the last problem
};

}  // namespace pgmahout::guard
