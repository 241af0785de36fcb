// SPDX-License-Identifier: Apache-2.0
// Links the agent's decisions with nothing but what they declare, and runs them once.
#include <cstdio>

#include "agent/core/reconciler.h"

int main() {
  using namespace pgmahout;  // NOLINT(google-build-using-namespace): nothing else is here
  agent::World world;
  world.observation.orphans = true;
  const bool right = agent::Next(world).kind == agent::StepKind::kKill &&
                     agent::ReportOf(world, "", "").server == ServerState::kStopping;
  std::puts(right ? "ok" : "the agent's decision is not what it should be");
  return right ? 0 : 1;
}
