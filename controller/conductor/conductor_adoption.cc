// SPDX-License-Identifier: Apache-2.0
// The conductor and nodes that belong to no cluster: what they are asked, and how running servers
// become a cluster.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/wire/convert.h"
#include "controller/conductor/cluster.h"
#include "controller/conductor/conductor.h"
#include "controller/core/adoption.h"

namespace pgmahout::controller {
namespace {

// No node has lived through that many changes of primary. One that claims more talks nonsense.
constexpr uint64_t kEpochMax = 1'000'000'000;

std::vector<std::string> RefusalsIn(const AdoptionView& view) {
  std::vector<std::string> reasons;
  for (const auto& [node, plan] : view.plans) {
    for (const std::string& refusal : plan.refusals) {
      reasons.push_back(absl::StrCat(node, ": ", refusal));
    }
  }
  return reasons;
}

}  // namespace

// Nodes remember what they have obeyed in an earlier cluster, and obey nothing lower.
uint64_t Conductor::FirstEpoch(const ClusterSpec& spec) const {
  uint64_t highest = 0;
  for (const auto& [node, agent] : agents_) {
    const bool is_named = node == spec.witness ||
                          std::find(spec.nodes.begin(), spec.nodes.end(), node) != spec.nodes.end();
    if (is_named && agent.epoch < kEpochMax) {
      highest = std::max(highest, agent.epoch);
    }
  }
  return highest + 1;
}

void Conductor::AnswerIdle(const std::string& node,
                           ConnectedAgent& agent,
                           uint64_t sequence,
                           const Report& report) {
  agent.epoch = report.epoch;
  agent.letting_go = !report.cluster.empty() || !report.step.empty();
  DesiredState desired;
  desired.epoch = report.epoch;
  const auto question = previews_.QuestionFor(node, report.epoch, clock_.Now());
  v1::DesiredState proto = ToProto(question.value_or(desired));
  v1::ControllerMessage message;
  message.set_answers(sequence);
  message.set_controller_incarnation(store_.incarnation());
  message.set_controller_opening(store_.opening());
  message.set_epoch(report.epoch);
  message.set_generation(GenerationOf(proto));
  if (report.adoption.has_value() && report.generation == message.generation()) {
    previews_.Take(node, *report.adoption, clock_.Now());
  }
  *message.mutable_desired() = std::move(proto);
  agent.stream->Send(std::move(message));
}

absl::StatusOr<AdoptionView> Conductor::PreviewAdoption(const ClusterSpec& spec,
                                                        const std::string& primary) {
  PGM_RETURN_IF_ERROR(CheckApply(spec));
  if (Find(spec.name) != nullptr) {
    return WithHint(
        absl::FailedPreconditionError(absl::StrCat("cluster \"", spec.name, "\" is there already")),
        absl::StrCat("To add running standbys name them in its spec: pgmahout apply. To "
                     "begin anew: pgmahout cluster release ",
                     spec.name));
  }
  if (std::find(spec.nodes.begin(), spec.nodes.end(), primary) == spec.nodes.end()) {
    return WithHint(absl::FailedPreconditionError(
                        absl::StrCat("\"", primary, "\" is none of spec.placement.nodes")),
                    "Name with --primary the node whose server is the primary.");
  }
  ClusterState state = CreateAdopted(spec, primary, "", clock_.Now());
  for (auto& [node, member] : state.members) {
    const auto agent = agents_.find(node);
    if (agent == agents_.end()) {
      return WithHint(absl::FailedPreconditionError(
                          absl::StrCat("the agent of \"", node, "\" is not connected")),
                      "See systemctl status pgmahout-agent there.");
    }
    member.address = agent->second.hello.address;
  }
  previews_.Ask(std::move(state), clock_.Now());
  return previews_.Find(spec, primary, clock_.Now());
}

void Conductor::Adopt(ClusterSpec spec, const std::string& primary, Reply reply) {
  const auto view = PreviewAdoption(spec, primary);
  if (!view.ok()) {
    reply(view.status());
    return;
  }
  const absl::Status refused =
      absl::FailedPreconditionError(absl::StrCat("cannot adopt cluster \"", spec.name, "\""));
  if (!view->complete) {
    reply(WithInfo(refused,
                   ErrorInfo{"precondition", "Not every node has said yet what that would change.",
                             "Ask with --dry-run first."}));
    return;
  }
  if (const std::vector<std::string> reasons = RefusalsIn(*view); !reasons.empty()) {
    reply(WithInfo(refused, ErrorInfo{"precondition", absl::StrJoin(reasons, "\n        "),
                                      "Nothing was changed."}));
    return;
  }
  previews_.Forget(spec.name);
  StoreSpec(std::move(spec), primary, std::move(reply));
}

}  // namespace pgmahout::controller
