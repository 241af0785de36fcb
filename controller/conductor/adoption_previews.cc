// SPDX-License-Identifier: Apache-2.0
#include "controller/conductor/adoption_previews.h"

#include <utility>

#include "controller/core/adoption.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {
namespace {

constexpr Duration kAsksFor{15'000};  // since somebody has asked last
constexpr Duration kHoldsFor{5'000};  // an agent answers once a second
constexpr Duration kSameQuestion{3'000};

bool IsAbout(const ClusterState& state, const ClusterSpec& spec, const std::string& primary) {
  return state.durable.spec == spec && state.durable.primary == primary;
}

}  // namespace

void AdoptionPreviews::Ask(ClusterState state, BootTime now) {
  std::erase_if(previews_, [now](const auto& entry) { return now >= entry.second.until; });
  const std::string name = state.durable.spec.name;
  Preview& preview = previews_[name];
  // Who asks again after a while has changed something meanwhile.
  if (!IsAbout(preview.state, state.durable.spec, state.durable.primary) ||
      now - preview.asked_at >= kSameQuestion) {
    preview.answers.clear();
  }
  preview.state = std::move(state);
  preview.asked_at = now;
  preview.until = now + kAsksFor;
}

AdoptionPreviews::Preview* AdoptionPreviews::Asking(const std::string& node, BootTime now) {
  for (auto& [name, preview] : previews_) {
    if (now < preview.until && FindMember(preview.state, node) != nullptr) {
      return &preview;
    }
  }
  return nullptr;
}

std::optional<DesiredState> AdoptionPreviews::QuestionFor(const std::string& node,
                                                          uint64_t epoch,
                                                          BootTime now) {
  const Preview* preview = Asking(node, now);
  return preview == nullptr ? std::nullopt : std::optional(PreviewFor(preview->state, node, epoch));
}

void AdoptionPreviews::Take(const std::string& node, const AdoptionPlan& plan, BootTime now) {
  if (Preview* const preview = Asking(node, now); preview != nullptr) {
    preview->answers[node] = Answer{plan, now};
  }
}

AdoptionView AdoptionPreviews::Find(const ClusterSpec& spec,
                                    const std::string& primary,
                                    BootTime now) const {
  AdoptionView view;
  const auto found = previews_.find(spec.name);
  if (found == previews_.end() || !IsAbout(found->second.state, spec, primary)) {
    return view;
  }
  for (const auto& [node, answer] : found->second.answers) {
    if (now - answer.at < kHoldsFor) {
      view.plans[node] = answer.plan;
    }
  }
  view.complete = view.plans.size() == spec.nodes.size();
  if (view.complete) {
    CompareSystemIdentifiers(primary, &view.plans);
  }
  return view;
}

}  // namespace pgmahout::controller
