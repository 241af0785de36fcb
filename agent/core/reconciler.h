// SPDX-License-Identifier: Apache-2.0
// Next: the agent's pure decision: what to do now on this VM, or what to wait for.
//
// No history but Memory, no clock but `now`: the same world always gives the same step. Read the
// table at the end of reconciler.cc first.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "agent/core/config_file.h"
#include "agent/core/memory.h"
#include "agent/core/observation.h"
#include "agent/core/step.h"
#include "common/base/clock.h"
#include "common/model/desired_state.h"
#include "common/model/report.h"

namespace pgmahout::agent {

// All that Next() and ReportOf() look at.
struct World {
  std::optional<DesiredState> desired;    // nothing: no order since this agent started
  std::map<std::string, Lsn> member_lsn;  // how far each member has received, as orders say
  std::optional<Lease> lease;
  std::map<std::string, BootTime> witnesses;  // Witnesses::seen()
  Observation observation;
  Memory memory;
  ConfigContext context;
  BootTime now;
  Duration fence_margin{3'000};  // fencing begins that long before the lease's deadline
};

Step Next(const World& world);

// Whether the server here acknowledges writes, or may start to by itself.
bool RunsAsPrimary(const Observation& observation);

// The vote this node may cast now; nothing while WAL may still arrive from the old primary, or
// while the end of its own WAL is not known.
std::optional<Ballot> BallotOf(const World& world);

// What the controller is told. `step` and `step_error` describe what runs, or what it waits for.
Report ReportOf(const World& world, const std::string& step, const std::string& step_error);

}  // namespace pgmahout::agent
