// SPDX-License-Identifier: Apache-2.0
// Links the controller's decisions with nothing but what they declare, and runs them once.
#include <cstdio>

#include "controller/core/advance.h"
#include "controller/core/status.h"

int main() {
  using namespace pgmahout;  // NOLINT(google-build-using-namespace): nothing else is here
  ClusterSpec spec;
  spec.name = "orders";
  spec.nodes = {"db1"};
  const BootTime now = BootTime::FromMilliseconds(1'000);
  controller::ClusterState state = controller::Create(spec, "sealed", now);
  const controller::Outcome outcome =
      controller::Advance(state, controller::AgentConnected{"db1", "10.0.0.1"}, now);
  const bool right =
      controller::PhaseOf(outcome.state, now).name == "Creating" &&
      controller::DesiredFor(outcome.state, "db1").assignment == Assignment::kBootstrap;
  std::puts(right ? "ok" : "the controller's decision is not what it should be");
  return right ? 0 : 1;
}
