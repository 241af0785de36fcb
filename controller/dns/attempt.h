// SPDX-License-Identifier: Apache-2.0
// One attempt to publish a plan by RFC 2136:
//
//   ask which version is there -> update if it is older -> read back from every server
//
// The update's prerequisite is the TXT record that was seen, so two publishers, or a message that
// was delayed on its way, cannot undo each other's work (I8).
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "controller/dns/exchange.h"
#include "controller/dns/plan.h"
#include "controller/dns/publisher.h"
#include "controller/dns/tsig_key.h"

namespace pgmahout::controller {

struct UpdateTarget {
  std::string zone;                // normalized
  std::vector<DnsServer> servers;  // the first takes updates; at least one
  TsigKey key;
};

class PublishAttempt {
 public:
  virtual ~PublishAttempt() = default;
  virtual void Start() = 0;
  // Ends it with `status` now, unless it has ended. Without effect on what was sent already.
  virtual void Cancel(const absl::Status& status) = 0;
};

// What an attempt works with. All of it outlives the attempt.
struct AttemptContext {
  boost::asio::io_context& io;
  const Clock& clock;
  const UpdateTarget& target;
};

// `done` runs once, on the thread that runs the io_context; all calls happen there too. `timeout`
// counts from Start().
std::shared_ptr<PublishAttempt> NewPublishAttempt(AttemptContext context,
                                                  PublishPlan plan,
                                                  Duration timeout,
                                                  PublishDone done);

}  // namespace pgmahout::controller
