// SPDX-License-Identifier: Apache-2.0
// DnsPublisher by dynamic update: RFC 2136, signed with TSIG (RFC 8945). See attempt.h for what
// happens on the wire.
//
// One thread of its own serves any number of clusters; a server that is away delays only the
// attempts that need it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "controller/dns/publisher.h"

namespace pgmahout::controller {

struct Rfc2136Config {
  std::string zone;
  // "address:port"; the port is 53 if left out. The first is the zone's primary server and takes
  // the updates; all are read back.
  std::vector<std::string> servers;
  std::string tsig_name;
  std::string tsig_secret_base64;
  std::string tsig_algorithm = "hmac-sha256";  // or hmac-sha512
};

// Starts the publisher's thread; sends nothing yet. `clock` outlives the publisher. InvalidArgument
// says what is wrong with the configuration, without the secret.
absl::StatusOr<std::unique_ptr<DnsPublisher>> NewRfc2136Publisher(const Rfc2136Config& config,
                                                                  const Clock& clock);

}  // namespace pgmahout::controller
