// SPDX-License-Identifier: Apache-2.0
// cluster explain: why the primary changed last, step by step, with the evidence of each.
#include "controller/cli/explain.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "controller/cli/events.h"
#include "controller/cli/output.h"
#include "controller/cli/table.h"
#include "controller/cli/verbs.h"

namespace pgmahout::cli {
namespace {

// What each rule means in the story of a failover; empty: it is no part of it.
struct Meaning {
  absl::string_view rule;
  absl::string_view step;
};

constexpr std::array<Meaning, 39> kMeanings = {{
    {"primary-reports-down", "detect"},
    {"primary-reports-hung", "detect"},
    {"primary-is-silent", "detect"},
    {"switchover-requested", "ask"},
    {"failover-requested", "ask"},
    {"candidate-is-lost", "detect"},
    {"clean-stop-reached", "fence"},
    {"clean-stop-overdue", "detect"},
    {"vote", "vote"},
    {"promote-successor", "choose"},
    {"promote-by-votes", "choose"},
    {"promote-caught-up", "choose"},
    {"promote-asynchronous", "choose"},
    {"promote-accepting-loss", "choose"},
    {"resume-old-primary", "choose"},
    {"start-again-in-place", "choose"},
    {"promotion-confirmed", "promote"},
    {"names-published", "dns"},
    {"standby-streams", "attach"},
    {"rejoined", "loss"},
    // What goes on beside it, or leads to it and tells so in the request for a switchover.
    {"bootstrap-done", ""},
    {"first-time-healthy", ""},
    {"adopt-primary", ""},
    {"continue-at-new-epoch", ""},
    {"set-quorum-barrier", ""},
    {"confirm-quorum", ""},
    {"change-quorum", ""},
    {"change-names", ""},
    {"publish-names", ""},
    {"maintenance-given-up", ""},
    {"reinit-given-up", ""},
    {"reinit-ordered", ""},
    {"reinit-done", ""},
    {"restart-given-up", ""},
    {"restart-skips", ""},
    {"restarted", ""},
    {"restart-standby", ""},
    {"restart-by-switchover", ""},
    {"restart-in-place", ""},
}};

struct StoryStep {
  std::string step;
  int64_t elapsed = 0;  // ms since the first step
  const v1::Event* event = nullptr;
  std::string text;
};

bool Begins(absl::string_view step) {
  return step == "detect" || step == "ask";
}

absl::string_view StepOf(const v1::Event& event) {
  return StepOfRule(event.rule()).value_or("");
}

// The epoch of the last change of primary; 0: the first primary is still the only one.
uint64_t LastChange(const std::vector<v1::Event>& events) {
  uint64_t epoch = 0;
  for (const v1::Event& event : events) {
    if (Begins(StepOf(event))) {
      epoch = event.epoch();
    }
  }
  return epoch;
}

// The first names and each standby's first stream are the story; what repeats is not.
bool IsToldAlready(const std::vector<StoryStep>& story, const StoryStep& step) {
  const bool tells_once = step.step == "dns" || step.step == "attach" || step.step == "rejoin";
  return tells_once && std::any_of(story.begin(), story.end(), [&step](const StoryStep& told) {
           return told.step == step.step &&
                  (step.step == "dns" || told.event->node() == step.event->node());
         });
}

std::vector<StoryStep> StoryOf(const std::vector<v1::Event>& events, uint64_t epoch) {
  const std::vector<int64_t> elapsed = ElapsedTimes(events);
  std::vector<StoryStep> story;
  std::string old_primary;
  bool attached = false;
  for (size_t i = 0; i < events.size(); ++i) {
    const v1::Event& event = events[i];
    StoryStep step{std::string(StepOf(event)), elapsed[i], &event, event.message()};
    if (event.epoch() != epoch || step.step.empty()) {
      continue;
    }
    if (Begins(step.step) && story.empty()) {
      old_primary = event.node();
    }
    if (step.step == "attach" && event.node() == old_primary) {
      step.step = "rejoin";
    } else if (step.step == "attach" && !attached) {
      attached = true;
      absl::StrAppend(&step.text, "; commits can be confirmed again");
    }
    if (!IsToldAlready(story, step)) {
      story.push_back(step);
    }
    if (Begins(step.step)) {
      story.push_back(StoryStep{"decide", elapsed[i], &event,
                                absl::StrCat("epoch ", event.epoch(), ": ", event.node(),
                                             " gets no more leases and is told to stop")});
    }
  }
  return story;
}

Json StoryJson(const std::vector<StoryStep>& story, uint64_t epoch, const std::string& cluster) {
  Json json;
  json["cluster"] = cluster;
  json["epoch"] = epoch;
  json["steps"] = Json::array();
  for (const StoryStep& step : story) {
    Json one;
    one["step"] = step.step;
    one["elapsedMs"] = step.elapsed;
    one["node"] = step.event->node();
    one["rule"] = step.event->rule();
    one["evidence"] = step.text;
    json["steps"].push_back(one);
  }
  return json;
}

}  // namespace

std::optional<absl::string_view> StepOfRule(absl::string_view rule) {
  const auto* const found =
      std::find_if(kMeanings.begin(), kMeanings.end(),
                   [rule](const Meaning& meaning) { return meaning.rule == rule; });
  return found == kMeanings.end() ? std::nullopt : std::optional(found->step);
}

absl::Status ClusterExplain(Session* session) {
  PGM_ASSIGN_OR_RETURN(const std::vector<v1::Event> events, FetchEvents(true, session));
  const uint64_t epoch = LastChange(events);
  const std::vector<StoryStep> story = StoryOf(events, epoch);
  if (IsForScripts(session->options.output)) {
    PrintForScripts(StoryJson(story, epoch, session->options.name), session);
    return absl::OkStatus();
  }
  if (story.empty()) {
    session->streams.err << "The primary of " << session->options.name << " has never changed.\n";
    return absl::OkStatus();
  }
  Table table({"STEP", ">+MS", "NODE", "RULE", "EVIDENCE"});
  for (const StoryStep& step : story) {
    table.AddRow({step.step, absl::StrCat("+", step.elapsed), step.event->node(),
                  step.event->rule(), step.text});
  }
  session->streams.out << table.Render();
  return absl::OkStatus();
}

}  // namespace pgmahout::cli
