// SPDX-License-Identifier: Apache-2.0
// Agents: who is connected, as the conductor sees it. The gRPC side implements AgentStream and
// calls AgentListener; both only on the loop.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "common/model/desired_state.h"
#include "common/model/report.h"
#include "pgmahout/v1/agent.pb.h"

namespace pgmahout::controller {

// What an agent says of itself when it connects. `node` is proven by its certificate.
struct AgentHello {
  std::string node;
  std::string address;
  std::string agent_version;
  std::string instance_id;
  std::string state_id;
};

// One connected agent. Valid until AgentListener::Gone was called for it.
class AgentStream {
 public:
  virtual ~AgentStream() = default;
  // A newer message replaces one that has not been sent: desired state is state, not a command.
  virtual void Send(v1::ControllerMessage message) = 0;
  virtual void Close(const absl::Status& reason) = 0;
};

class AgentListener {
 public:
  virtual ~AgentListener() = default;
  // An error refuses the agent; its stream is closed with it.
  virtual absl::Status Arrived(AgentStream* stream, const AgentHello& hello) = 0;
  virtual void Reported(AgentStream* stream, uint64_t sequence, Report report) = 0;
  virtual void Gone(AgentStream* stream) = 0;
  // A stream or a message of `node` was refused; it is logged, counted and told in the history.
  virtual void Refused(const std::string& node, const absl::Status& reason) = 0;
};

}  // namespace pgmahout::controller
