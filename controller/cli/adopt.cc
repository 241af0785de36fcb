// SPDX-License-Identifier: Apache-2.0
// cluster adopt and release: servers that run become a cluster, and are let go again.
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "controller/cli/output.h"
#include "controller/cli/spec_file.h"
#include "controller/cli/table.h"
#include "controller/cli/verbs.h"
#include "controller/cli/wait.h"

namespace pgmahout::cli {
namespace {

constexpr Duration kAskAgain{300};
constexpr Duration kAnswersWithin{15'000};
constexpr Duration kLetsGoWithin{30'000};

absl::StatusOr<ClusterDocument> TheDocument(Session* session) {
  PGM_ASSIGN_OR_RETURN(auto documents, LoadDocuments(session));
  const std::string& name = session->options.name;
  if (documents.size() != 1) {
    return absl::InvalidArgumentError("the file has to hold one cluster");
  }
  if (!name.empty() && name != documents.front().cluster.metadata().name()) {
    return absl::InvalidArgumentError(absl::StrCat("the file is about cluster \"",
                                                   documents.front().cluster.metadata().name(),
                                                   "\", not about \"", name, "\""));
  }
  return std::move(documents.front());
}

absl::StatusOr<v1::AdoptClusterResponse> Ask(const ClusterDocument& document,
                                             bool is_dry_run,
                                             Session* session) {
  v1::AdoptClusterRequest request;
  *request.mutable_cluster() = document.cluster;
  request.set_primary(session->options.target);
  request.set_dry_run(is_dry_run);
  PGM_ASSIGN_OR_RETURN(v1::AdoptClusterResponse response,
                       session->Call(&AdminStub::AdoptCluster, request));
  for (const v1::FieldNote& violation : response.violations()) {
    PrintProblem(document.Locate(violation.path()),
                 absl::StrCat(violation.path(), ": ", violation.message()), violation.hint(),
                 session);
  }
  if (!response.violations().empty()) {
    return InvalidFile(document.file, static_cast<size_t>(response.violations_size()));
  }
  return response;
}

absl::Status NoAnswer(const v1::AdoptClusterResponse& response) {
  std::vector<std::string> silent;
  for (const v1::NodeAdoption& node : response.nodes()) {
    if (!node.answered()) {
      silent.push_back(node.node());
    }
  }
  return WithHint(absl::FailedPreconditionError(
                      absl::StrCat("no answer from the agents of ", absl::StrJoin(silent, ", "))),
                  "They have to be connected, of this version, and members of no cluster: pgmahout "
                  "node list");
}

// Agents answer with their next heartbeat.
absl::StatusOr<v1::AdoptClusterResponse> AskAll(const ClusterDocument& document, Session* session) {
  const BootTime deadline =
      SystemClock().Now() + std::min(kAnswersWithin, session->options.timeout);
  while (true) {
    PGM_ASSIGN_OR_RETURN(v1::AdoptClusterResponse response, Ask(document, true, session));
    if (response.complete()) {
      return response;
    }
    if (SystemClock().Now() >= deadline) {
      return NoAnswer(response);
    }
    Pause(kAskAgain);
  }
}

std::string PartText(v1::AdoptionPart part, const std::string& primary) {
  switch (part) {
    case v1::ADOPTION_PRIMARY:
      return "primary, taken over as it runs";
    case v1::ADOPTION_STANDBY:
      return "standby, taken over as it runs";
    default:
      return absl::StrCat("standby, copied from ", primary);
  }
}

std::string PartWord(v1::AdoptionPart part) {
  switch (part) {
    case v1::ADOPTION_PRIMARY:
      return "primary";
    case v1::ADOPTION_STANDBY:
      return "standby";
    default:
      return "copy";
  }
}

Json Texts(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  Json json = Json::array();
  for (const std::string& text : texts) {
    json.push_back(text);
  }
  return json;
}

Json ToJson(const v1::NodeAdoption& node) {
  const v1::AdoptionPlan& plan = node.plan();
  Json json;
  json["node"] = node.node();
  json["part"] = PartWord(plan.part());
  json["server"] = plan.server();
  json["systemIdentifier"] =
      plan.system_identifier() == 0 ? "" : absl::StrCat(plan.system_identifier());
  json["refusals"] = Texts(plan.refusals());
  json["settings"] = Json::array();
  for (const v1::SettingChange& change : plan.settings()) {
    Json setting;
    setting["name"] = change.name();
    setting["from"] = change.from();
    setting["to"] = change.to();
    setting["restart"] = change.needs_restart();
    json["settings"].push_back(std::move(setting));
  }
  json["pgHba"] = Texts(plan.hba());
  json["notes"] = Texts(plan.notes());
  return json;
}

void PrintList(const std::string& title,
               const google::protobuf::RepeatedPtrField<std::string>& texts,
               std::ostream& out) {
  if (!texts.empty()) {
    out << "  " << title << "\n";
  }
  for (const std::string& text : texts) {
    out << "    " << text << "\n";
  }
}

void PrintSettings(const v1::AdoptionPlan& plan, std::ostream& out) {
  if (plan.settings().empty()) {
    return;
  }
  out << "  settings\n";
  for (const v1::SettingChange& change : plan.settings()) {
    out << "    " << change.name() << ": '" << change.from() << "' -> '" << change.to() << "'"
        << (change.needs_restart() ? "  (after a restart)" : "") << "\n";
  }
}

void PrintPlan(const std::string& name,
               const v1::AdoptClusterResponse& response,
               Session* session) {
  std::ostream& out = session->streams.out;
  if (IsForScripts(session->options.output)) {
    Json json;
    json["name"] = name;
    json["dryRun"] = session->options.dry_run;
    json["nodes"] = Json::array();
    for (const v1::NodeAdoption& node : response.nodes()) {
      json["nodes"].push_back(ToJson(node));
    }
    PrintForScripts(json, session);
    return;
  }
  const std::string primary = response.nodes().empty() ? "" : response.nodes(0).node();
  for (const v1::NodeAdoption& node : response.nodes()) {
    const v1::AdoptionPlan& plan = node.plan();
    out << node.node() << ": " << PartText(plan.part(), primary)
        << (plan.server().empty() ? "" : absl::StrCat(" (", plan.server(), ")")) << "\n";
    PrintList("cannot be:", plan.refusals(), out);
    PrintSettings(plan, out);
    PrintList("rules of its pg_hba.conf that no longer apply", plan.hba(), out);
    PrintList("also", plan.notes(), out);
  }
  out << std::flush;
}

absl::Status Refused(const std::string& name, const v1::AdoptClusterResponse& response) {
  std::vector<std::string> reasons;
  for (const v1::NodeAdoption& node : response.nodes()) {
    for (const std::string& refusal : node.plan().refusals()) {
      reasons.push_back(absl::StrCat(node.node(), ": ", refusal));
    }
  }
  return reasons.empty() ? absl::OkStatus()
                         : WithInfo(absl::FailedPreconditionError(
                                        absl::StrCat("cannot adopt cluster \"", name, "\"")),
                                    ErrorInfo{"precondition", absl::StrJoin(reasons, "\n        "),
                                              "Nothing was changed."});
}

// Who of `nodes` has not let go yet. An agent that is away does it when it is back.
absl::StatusOr<std::vector<std::string>> LettingGo(const std::set<std::string>& nodes,
                                                   bool with_absent,
                                                   Session* session) {
  PGM_ASSIGN_OR_RETURN(const v1::ListNodesResponse response,
                       session->Read(&AdminStub::ListNodes, v1::ListNodesRequest()));
  std::vector<std::string> left;
  for (const v1::Node& node : response.nodes()) {
    if (nodes.count(node.name()) > 0 && (node.letting_go() || (with_absent && !node.connected()))) {
      left.push_back(node.name());
    }
  }
  return left;
}

absl::Status WaitUntilLetGo(const std::set<std::string>& nodes, Session* session) {
  const BootTime deadline = SystemClock().Now() + std::min(kLetsGoWithin, session->options.timeout);
  while (true) {
    PGM_ASSIGN_OR_RETURN(const auto left, LettingGo(nodes, /*with_absent=*/false, session));
    if (left.empty()) {
      break;
    }
    if (SystemClock().Now() >= deadline) {
      return WithHint(absl::DeadlineExceededError(absl::StrCat(
                          "the agents of ", absl::StrJoin(left, ", "), " have not let go yet")),
                      "They go on. See the journal of pgmahout-agent there.");
    }
    Pause(kAskAgain);
  }
  PGM_ASSIGN_OR_RETURN(const auto absent, LettingGo(nodes, /*with_absent=*/true, session));
  if (!absent.empty()) {
    session->streams.err << "let go when their agents are back: " << absl::StrJoin(absent, ", ")
                         << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ClusterAdopt(Session* session) {
  PGM_ASSIGN_OR_RETURN(const ClusterDocument document, TheDocument(session));
  const std::string& name = document.cluster.metadata().name();
  PGM_ASSIGN_OR_RETURN(const v1::AdoptClusterResponse plan, AskAll(document, session));
  PrintPlan(name, plan, session);
  PGM_RETURN_IF_ERROR(Refused(name, plan));
  if (session->options.dry_run) {
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(session->Confirm(
      absl::StrCat("puts cluster \"", name,
                   "\" under pgmahout's guard, with the settings and rules above, without a "
                   "restart"),
      name));
  PGM_RETURN_IF_ERROR(AskAll(document, session).status());  // a person may have thought for long
  PGM_RETURN_IF_ERROR(Ask(document, false, session).status());
  return session->options.wait ? WaitUntilHealthy(name, session) : absl::OkStatus();
}

absl::Status ClusterRelease(Session* session) {
  const std::string& name = session->options.name;
  v1::ClusterRequest which;
  which.set_name(name);
  PGM_ASSIGN_OR_RETURN(const v1::ClusterStatus status,
                       session->Read(&AdminStub::GetCluster, which));
  std::set<std::string> nodes;
  for (const v1::MemberStatus& member : status.members()) {
    nodes.insert(member.node());
  }
  const std::string what = absl::StrCat(
      "lets go of cluster \"", name, "\": its servers run on as they are (",
      absl::StrJoin(nodes, ", "),
      "), but nobody guards them any more; commits wait for no standby from then on, and "
      "pg_hba.conf of before is put back where there was one");
  v1::DeleteClusterRequest request;
  request.set_name(name);
  request.set_release(true);
  request.set_dry_run(true);
  PGM_RETURN_IF_ERROR(session->Call(&AdminStub::DeleteCluster, request).status());
  if (session->options.dry_run) {
    session->streams.out << "This " << what << ".\nNothing was changed (--dry-run).\n";
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(session->Confirm(what, name));
  request.set_dry_run(false);
  PGM_ASSIGN_OR_RETURN(const v1::ActionResponse response,
                       session->Call(&AdminStub::DeleteCluster, request));
  if (session->options.wait) {
    PGM_RETURN_IF_ERROR(WaitUntilLetGo(nodes, session));
  }
  session->streams.err << response.message() << "\n";
  return absl::OkStatus();
}

}  // namespace pgmahout::cli
