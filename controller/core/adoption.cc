// SPDX-License-Identifier: Apache-2.0
#include "controller/core/adoption.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/error.h"
#include "controller/core/advance.h"
#include "controller/core/turn.h"

namespace pgmahout::controller {
namespace {

absl::Status CannotRelease(const ClusterState& state, absl::string_view why) {
  const std::string& name = state.durable.spec.name;
  return WithInfo(
      absl::FailedPreconditionError(absl::StrCat("cannot release cluster \"", name, "\"")),
      ErrorInfo{"precondition", std::string(why),
                absl::StrCat("Wait until it is Healthy, or forget it as it is: pgmahout cluster "
                             "delete ",
                             name)});
}

}  // namespace

ClusterState CreateAdopted(ClusterSpec spec,
                           const std::string& primary,
                           std::string sealed_replication_password,
                           BootTime now) {
  ClusterState state = Create(std::move(spec), std::move(sealed_replication_password), now);
  PGM_CHECK(FindMember(state, primary) != nullptr);
  state.durable.primary = primary;
  state.durable.adopted = true;
  return state;
}

DesiredState PreviewFor(const ClusterState& state, const std::string& node, uint64_t epoch) {
  DesiredState desired = DesiredFor(state, node);
  desired.assignment = Assignment::kPreview;
  desired.upstream = state.durable.primary;
  desired.epoch = epoch;
  return desired;
}

void CompareSystemIdentifiers(const std::string& primary,
                              std::map<std::string, AdoptionPlan>* plans) {
  const uint64_t wanted = (*plans)[primary].system_identifier;
  for (auto& [node, plan] : *plans) {
    if (plan.part == AdoptionPart::kStandby && plan.system_identifier != wanted) {
      plan.refusals.push_back(absl::StrCat("its data have system identifier ",
                                           plan.system_identifier, ", those of ", primary, " have ",
                                           wanted, "; they are left untouched"));
    }
  }
}

absl::Status CheckRelease(const ClusterState& state, BootTime now) {
  const Durable& durable = state.durable;
  if (durable.quarantined || durable.stage != Stage::kRunning) {
    return CannotRelease(state, "It is being created, or its primary changes.");
  }
  const MemberView& primary = PrimaryOf(state);
  if (!IsHeard(state, primary, now) || primary.report->server != ServerState::kRunning) {
    return CannotRelease(
        state, absl::StrCat("The primary ", durable.primary, " is not heard or does not run."));
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::controller
