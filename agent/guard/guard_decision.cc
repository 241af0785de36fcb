// SPDX-License-Identifier: Apache-2.0
#include "agent/guard/guard_decision.h"

#include <algorithm>
#include <array>

namespace pgmahout::guard {
namespace {

// Between two looks while processes die: they need a few milliseconds to give back their memory.
constexpr Duration kKillPause{5};
// What does not die within this time hangs in the kernel; it runs no code of its own any more.
constexpr Duration kQuickDeath{2'000};
// Between two looks when none is left or none dies. A server that is started meanwhile needs longer
// for its crash recovery before it accepts the first write.
constexpr Duration kWatchPause{50};

bool IsArmed(const GuardView& view) {
  return view.order != nullptr && view.order->armed;
}

bool DeadlinePassed(const GuardView& view) {
  return IsArmed(view) && view.now >= view.order->deadline;
}

bool StopAskedUnarmed(const GuardView& view) {
  return view.stop_asked_at.has_value() && !IsArmed(view);
}

bool StopAskedLongAgo(const GuardView& view) {
  return view.stop_asked_at.has_value() && view.now >= *view.stop_asked_at + kStopPatience;
}

bool Otherwise(const GuardView& /*view*/) {
  return true;
}

struct Rule {
  absl::string_view name;
  bool (*applies)(const GuardView&);
  GuardAction action;
};

// Order is meaning: an armed guard that is told to stop still kills at its deadline, until its
// patience is over.
constexpr std::array kRules = {
    Rule{"leave-unarmed", StopAskedUnarmed, GuardAction::kLeave},
    Rule{"leave-after-patience", StopAskedLongAgo, GuardAction::kLeave},
    Rule{"kill-after-deadline", DeadlinePassed, GuardAction::kKill},
    Rule{"sleep-until-deadline", IsArmed, GuardAction::kSleep},
    Rule{"idle-unarmed", Otherwise, GuardAction::kIdle},
};

BootTime WakeAfter(const GuardView& view, GuardAction action) {
  switch (action) {
    case GuardAction::kSleep:
      return std::min(view.now + kGuardPoll, view.order->deadline);
    case GuardAction::kKill: {
      const bool some_may_die =
          view.processes_seen != 0U && view.now < view.order->deadline + kQuickDeath;
      return view.now + (some_may_die ? kKillPause : kWatchPause);
    }
    case GuardAction::kIdle:
    case GuardAction::kLeave:
      break;
  }
  return view.now + kGuardPoll;
}

}  // namespace

GuardDecision Decide(const GuardView& view) {
  const auto* rule = std::find_if(kRules.begin(), kRules.end(),
                                  [&view](const Rule& r) { return r.applies(view); });
  return GuardDecision{rule->action, WakeAfter(view, rule->action),
                       !DeadlinePassed(view) || view.processes_seen == 0U, rule->name};
}

}  // namespace pgmahout::guard
