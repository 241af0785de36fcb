// SPDX-License-Identifier: Apache-2.0
// Link: the one stream to the controller, as the daemon sees it: reports up, orders down. It
// reconnects for ever with jittered backoff; a lost message is replaced by the next one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "agent/core/orders.h"
#include "common/base/clock.h"
#include "common/base/event_loop.h"
#include "common/model/report.h"

namespace pgmahout::agent {

struct LinkConfig {
  std::string controller;  // host:port
  std::string node;
  std::string address;
  std::string agent_version;
  std::string state_id;
  std::string certificate_file, key_file, ca_file;
};

class Link {
 public:
  virtual ~Link() = default;

  // Begins to connect; Send() must have been called once, so that the first heartbeat says what is
  // true. `on_order` and `on_state` run on the loop.
  virtual void Start(absl::AnyInvocable<void(Received)> on_order,
                     absl::AnyInvocable<void(bool connected)> on_state) = 0;

  // Sends a heartbeat now, or as soon as the write before it is done; a newer report replaces one
  // that has not been sent. Without a connection it is kept as the first of the next. On the loop.
  virtual void Send(const Report& report) = 0;
};

// Destroy it once `loop` has ended, and before `loop` and `clock`: waits for gRPC's threads.
std::unique_ptr<Link> MakeGrpcLink(EventLoop& loop, const Clock& clock, LinkConfig config);

}  // namespace pgmahout::agent
