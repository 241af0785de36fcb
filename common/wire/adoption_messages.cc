// SPDX-License-Identifier: Apache-2.0
// Plans of adoption on the wire. They come from an agent that is authenticated, not trusted, and
// are read by people.
#include "common/base/status_macros.h"
#include "common/wire/agent_checks.h"
#include "common/wire/convert.h"

namespace pgmahout {
namespace {

constexpr int kEntriesMax = 500;

using Texts = google::protobuf::RepeatedPtrField<std::string>;

absl::StatusOr<AdoptionPart> PartFromProto(v1::AdoptionPart part) {
  switch (part) {
    case v1::ADOPTION_COPY:
      return AdoptionPart::kCopy;
    case v1::ADOPTION_PRIMARY:
      return AdoptionPart::kPrimary;
    case v1::ADOPTION_STANDBY:
      return AdoptionPart::kStandby;
    default:
      return absl::InvalidArgumentError("unknown part in a plan of adoption");
  }
}

v1::AdoptionPart PartToProto(AdoptionPart part) {
  switch (part) {
    case AdoptionPart::kCopy:
      break;
    case AdoptionPart::kPrimary:
      return v1::ADOPTION_PRIMARY;
    case AdoptionPart::kStandby:
      return v1::ADOPTION_STANDBY;
  }
  return v1::ADOPTION_COPY;
}

absl::Status ReadTexts(absl::string_view field, const Texts& from, std::vector<std::string>* to) {
  if (from.size() > kEntriesMax) {
    return absl::InvalidArgumentError(absl::StrCat(field, " has too many entries"));
  }
  for (const std::string& text : from) {
    PGM_RETURN_IF_ERROR(CheckWireText(field, text));
    to->push_back(Printable(text));
  }
  return absl::OkStatus();
}

}  // namespace

v1::AdoptionPlan ToProto(const AdoptionPlan& plan) {
  v1::AdoptionPlan proto;
  proto.set_part(PartToProto(plan.part));
  proto.set_server(plan.server);
  proto.set_system_identifier(plan.system_identifier);
  proto.mutable_refusals()->Assign(plan.refusals.begin(), plan.refusals.end());
  for (const SettingChange& change : plan.settings) {
    v1::SettingChange& to = *proto.add_settings();
    to.set_name(change.name);
    to.set_from(change.from);
    to.set_to(change.to);
    to.set_needs_restart(change.needs_restart);
  }
  proto.mutable_hba()->Assign(plan.hba.begin(), plan.hba.end());
  proto.mutable_notes()->Assign(plan.notes.begin(), plan.notes.end());
  return proto;
}

absl::StatusOr<AdoptionPlan> FromProto(const v1::AdoptionPlan& proto) {
  AdoptionPlan plan;
  PGM_ASSIGN_OR_RETURN(plan.part, PartFromProto(proto.part()));
  PGM_RETURN_IF_ERROR(CheckWireText("adoption.server", proto.server()));
  plan.server = Printable(proto.server());
  plan.system_identifier = proto.system_identifier();
  PGM_RETURN_IF_ERROR(ReadTexts("adoption.refusals", proto.refusals(), &plan.refusals));
  PGM_RETURN_IF_ERROR(ReadTexts("adoption.hba", proto.hba(), &plan.hba));
  PGM_RETURN_IF_ERROR(ReadTexts("adoption.notes", proto.notes(), &plan.notes));
  if (proto.settings_size() > kEntriesMax) {
    return absl::InvalidArgumentError("adoption.settings has too many entries");
  }
  for (const v1::SettingChange& change : proto.settings()) {
    PGM_RETURN_IF_ERROR(CheckWireWord("adoption.settings.name", change.name()));
    PGM_RETURN_IF_ERROR(CheckWireText("adoption.settings.from", change.from()));
    PGM_RETURN_IF_ERROR(CheckWireText("adoption.settings.to", change.to()));
    plan.settings.push_back(SettingChange{Printable(change.name()), Printable(change.from()),
                                          Printable(change.to()), change.needs_restart()});
  }
  return plan;
}

}  // namespace pgmahout
