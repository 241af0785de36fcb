// SPDX-License-Identifier: Apache-2.0
// PrimaryVisit: a witness at the primary's door: one connection to its PostgreSQL, over which it
// reads what the primary asks and says what it answers (agent/core/alone.h).
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "agent/core/observation.h"
#include "agent/postgres/session.h"
#include "common/base/clock.h"

namespace pgmahout::agent {

struct PrimaryAddress {
  Member member;         // of the primary; its address is numeric
  std::string password;  // of the replication role
  std::string ca_file;   // that signed the primary's certificate

  friend bool operator==(const PrimaryAddress&, const PrimaryAddress&) = default;
};

// Used by one thread.
class PrimaryVisit {
 public:
  explicit PrimaryVisit(const Clock& clock) : clock_(clock) {}

  // Says `echo` (the connection's application_name) and reads. Keeps the connection while `where`
  // stays the same and everything goes well. Blocks for `timeout` at most. FailedPrecondition: the
  // server there is no primary. Other errors are those of Session.
  absl::StatusOr<Visit> Go(const PrimaryAddress& where, const std::string& echo, Duration timeout);

 private:
  const Clock& clock_;
  PrimaryAddress where_;
  std::optional<Session> session_;
};

}  // namespace pgmahout::agent
