// SPDX-License-Identifier: Apache-2.0
// What the agent's rules are made of. For the files of this folder; reconciler.cc has the table.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/core/reconciler.h"

namespace pgmahout::agent {

using Maybe = std::optional<Step>;

// How long a fenced server has for its fast shutdown before every process is killed.
inline constexpr Duration kFenceKillAfter{3'000};
inline constexpr Duration kCleanStopKillAfter{25'000};

Step Do(const World& world, StepKind kind, absl::string_view reason);
Step Wait(const World& world, absl::string_view reason);
// A wait that a person should see: something is wrong.
Step Blocked(const World& world, absl::string_view reason);
Step Stop(const World& world, absl::string_view reason, Duration kill_after);

bool Assigned(const World& world, Assignment assignment);
bool DataIsUsable(const Observation& seen);
// A person keeps the server stopped, or it may not be touched; nothing unless hands are to be off.
Maybe LeaveStopped(const World& world);

// The step that makes the configuration right: files on disk first, then what the server has
// loaded. Nothing if it is.
Maybe ConfigureIfNeeded(const World& world, bool detached);
// The step that makes replication slots right. Nothing if they are. Needs sql.
Maybe EnsureSlots(const World& world);

// Whether the lease to be primary at this epoch lasts.
bool HasLease(const World& world);

// Rules of the parts, for the table in reconciler.cc.
Maybe Release(const World& world);
Maybe LeaveForeignPrimary(const World& world);
Maybe Adopt(const World& world);
Maybe Initialize(const World& world);
Maybe BePrimary(const World& world);
Maybe BeStandby(const World& world);

}  // namespace pgmahout::agent
