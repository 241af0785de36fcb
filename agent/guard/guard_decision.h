// SPDX-License-Identifier: Apache-2.0
// What the guard does next. Pure: time and everything seen are arguments.
//
// Read kRules in guard_decision.cc first: an ordered table, the first rule that applies wins.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "agent/guard/guard_file.h"
#include "common/base/clock.h"

namespace pgmahout::guard {

enum class GuardAction { kIdle, kSleep, kKill, kLeave };

struct GuardView {
  const GuardOrder* order = nullptr;  // the last valid one of this boot; null: there was none
  BootTime now;
  // Processes that the last look since the deadline found; none: not looked yet.
  std::optional<uint64_t> processes_seen;
  std::optional<BootTime> stop_asked_at;  // SIGTERM came
};

struct GuardDecision {
  GuardAction action = GuardAction::kIdle;
  BootTime wake;  // decide again then at the latest
  // The hardware watchdog may be petted: no server runs beyond its deadline, as far as is known.
  bool may_pet_watchdog = false;
  absl::string_view rule;
};

// How long an armed guard goes on after SIGTERM, for its agent to disarm it.
inline constexpr Duration kStopPatience{5'000};

GuardDecision Decide(const GuardView& view);

}  // namespace pgmahout::guard
