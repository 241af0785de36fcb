// SPDX-License-Identifier: Apache-2.0
// Publishing where a cluster's primary and standbys are.
//
// The version (epoch, change) travels with the records, so a change that was delayed on its way
// can never replace a newer one (I8). DNS is not a fence: nobody waits for it before promoting.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"

namespace pgmahout::controller {

// What the names of one cluster should say. Names are absolute, with or without the final dot;
// addresses are IPv4 or IPv6 text.
struct DnsIntent {
  std::string primary_name;
  std::string standbys_name;                        // empty: none is kept
  std::vector<std::string> primary_addresses;       // at least one
  std::vector<std::string> standby_addresses;       // none: the standbys' name does not resolve
  std::map<std::string, std::string> member_names;  // name -> address
  uint32_t ttl_seconds = 5;
  uint64_t epoch = 0;   // (epoch, change) grows with each intent of a cluster, in this order
  uint64_t change = 0;  // grows within one epoch
};

// What every server answers now; all of them agree.
struct DnsReadback {
  std::vector<std::string> primary_addresses;  // sorted, in canonical text
  uint64_t epoch = 0;
  uint64_t change = 0;
};

using PublishDone = absl::AnyInvocable<void(absl::StatusOr<DnsReadback>)>;

class DnsPublisher {
 public:
  // Attempts that have not ended by then end with Cancelled. Never destroy a publisher inside a
  // `done`.
  virtual ~DnsPublisher() = default;

  // One attempt, which ends within `timeout` of its beginning; trying again is the caller's
  // business, and an intent that is in place already costs only questions. Callable on any thread;
  // returns at once. `done` runs exactly once, on the publisher's own thread, and must not block.
  //
  // Errors:
  //   Aborted             the zone holds a newer version: this intent is stale. The detail says
  //                       what is there.
  //   Unavailable         a server is away, fails, or does not say yet what was published.
  //   DeadlineExceeded    the change was sent and nobody answered: it may have happened.
  //   PermissionDenied    the server does not accept our key or what we ask with it.
  //   FailedPrecondition  the zone or the server is not as it must be: wrong zone, no authority, a
  //                       foreign TXT or an alias at the name.
  //   InvalidArgument     the intent cannot be published anywhere: a bad name or address.
  //   Cancelled           the publisher was destroyed first.
  virtual void Publish(DnsIntent intent, Duration timeout, PublishDone done) = 0;
};

}  // namespace pgmahout::controller
