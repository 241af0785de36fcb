// SPDX-License-Identifier: Apache-2.0
// Care: what people ask for beside a change of primary: pause, maintenance, a new copy of a
// standby, a rolling restart. Checks are in advance.h; here is how a request enters the state.
//
// Each Take function checks again, as the world may have changed since the caller was answered, and
// then changes nothing.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "controller/core/event.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {

void TakePause(const Turn& turn, const PauseRequested& event);
void TakeMaintenance(const Turn& turn, const MaintenanceRequested& event);
void TakeReinit(const Turn& turn, const ReinitRequested& event);
void TakeRestart(const Turn& turn, const RestartRequested& event);

// Ends what was asked for before it is done; nothing if it was not asked for.
void GiveUpReinit(const Turn& turn, absl::string_view rule, absl::string_view why);
void GiveUpRestart(const Turn& turn, absl::string_view rule, absl::string_view why);

// Begins to bring the primary to a clean stop. `target` shall go on; empty: the best standby; the
// primary itself: it starts again where it is. `purpose` is for the history; empty: a person asked
// for just that.
void BeginSwitchover(const Turn& turn, const std::string& target, absl::string_view purpose);

// Which members a restart would restart, in order: standbys by name, then the primary.
std::vector<std::string> MembersToRestart(const ClusterState& state,
                                          const RestartRequested& request);

// What the controller would do at once if it were not paused, one sentence each.
std::vector<std::string> HeldBackByPause(const ClusterState& state, BootTime now);

// FailedPrecondition with all `reasons`: "cannot VERB cluster ...".
absl::Status Refuse(const ClusterState& state,
                    absl::string_view verb,
                    const std::vector<std::string>& reasons,
                    absl::string_view hint);
// The store is older than the world (quarantine.h); says who is missing.
absl::Status RefuseInQuarantine(const ClusterState& state, absl::string_view verb, BootTime now);
absl::Status RefuseWhilePaused(const ClusterState& state, absl::string_view verb);

}  // namespace pgmahout::controller
