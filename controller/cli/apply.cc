// SPDX-License-Identifier: Apache-2.0
// apply and diff: specs from a file to the controller.
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/error.h"
#include "common/spec/yaml_loader.h"
#include "common/wire/convert.h"
#include "common/wire/spec_diff.h"
#include "controller/cli/output.h"
#include "controller/cli/spec_file.h"
#include "controller/cli/verbs.h"
#include "controller/cli/wait.h"

namespace pgmahout::cli {
namespace {

struct Applied {
  std::string name;
  v1::ApplyClusterResponse response;
};

// The spec that is in force; nothing when there is none, or this program cannot understand it.
std::optional<ClusterSpec> SpecInForce(const std::string& name, Session* session) {
  v1::ClusterRequest request;
  request.set_name(name);
  const auto cluster = session->Read(&AdminStub::GetClusterSpec, request);
  if (!cluster.ok()) {
    return std::nullopt;
  }
  auto spec = ToModel(*cluster, nullptr);
  return spec.ok() ? std::optional(*std::move(spec)) : std::nullopt;
}

// A controller that does not name the changes itself is helped out.
void NameChanges(const std::optional<ClusterSpec>& before,
                 const v1::Cluster& after,
                 v1::ApplyClusterResponse* response) {
  const auto spec = ToModel(after, nullptr);
  if (!response->changes().empty() || response->created() || !before.has_value() || !spec.ok()) {
    return;
  }
  for (const SpecChange& change : DiffSpecs(*before, *spec)) {
    v1::FieldNote* const note = response->add_changes();
    note->set_path(change.path);
    note->set_message(change.message);
  }
}

absl::StatusOr<Applied> ApplyDocument(const ClusterDocument& document,
                                      bool is_dry_run,
                                      Session* session) {
  v1::ApplyClusterRequest request;
  *request.mutable_cluster() = document.cluster;
  request.set_dry_run(is_dry_run);
  Applied applied;
  applied.name = document.cluster.metadata().name();
  const std::optional<ClusterSpec> before = SpecInForce(applied.name, session);
  PGM_ASSIGN_OR_RETURN(applied.response, session->Call(&AdminStub::ApplyCluster, request));
  for (const v1::FieldNote& violation : applied.response.violations()) {
    PrintProblem(document.Locate(violation.path()),
                 absl::StrCat(violation.path(), ": ", violation.message()), violation.hint(),
                 session);
  }
  if (!applied.response.violations().empty()) {
    return InvalidFile(document.file, static_cast<size_t>(applied.response.violations_size()));
  }
  NameChanges(before, document.cluster, &applied.response);
  return applied;
}

// Every document is checked before the first one changes anything.
absl::StatusOr<std::vector<Applied>> ApplyAll(const std::vector<ClusterDocument>& documents,
                                              bool is_dry_run,
                                              Session* session) {
  std::vector<Applied> all;
  if (is_dry_run || documents.size() > 1) {
    absl::Status first_error;
    for (const ClusterDocument& document : documents) {
      auto applied = ApplyDocument(document, true, session);
      if (applied.ok()) {
        all.push_back(*std::move(applied));
      } else if (first_error.ok()) {
        first_error = applied.status();
      }
    }
    if (is_dry_run || !first_error.ok()) {
      return first_error.ok() ? absl::StatusOr<std::vector<Applied>>(std::move(all)) : first_error;
    }
    all.clear();
  }
  for (const ClusterDocument& document : documents) {
    PGM_ASSIGN_OR_RETURN(Applied applied, ApplyDocument(document, false, session));
    all.push_back(std::move(applied));
  }
  return all;
}

Json ToJson(const Applied& applied, bool is_dry_run) {
  Json json;
  json["name"] = applied.name;
  json["revision"] = applied.response.revision();
  json["created"] = applied.response.created();
  json["dryRun"] = is_dry_run;
  json["changes"] = Json::array();
  for (const v1::FieldNote& change : applied.response.changes()) {
    Json note;
    note["path"] = change.path();
    note["message"] = change.message();
    note["hint"] = change.hint();
    json["changes"].push_back(std::move(note));
  }
  return json;
}

void PrintAsText(const Applied& applied, bool is_dry_run, Session* session) {
  std::ostream& out = session->streams.out;
  const v1::ApplyClusterResponse& response = applied.response;
  if (response.created()) {
    out << applied.name << (is_dry_run ? " would be created" : " created");
  } else if (response.changes().empty()) {
    out << applied.name << " unchanged";
  } else {
    out << applied.name << (is_dry_run ? " would change" : " changed");
  }
  if (!is_dry_run) {
    out << " (revision " << response.revision() << ")";
  }
  out << "\n";
  for (const v1::FieldNote& change : response.changes()) {
    out << "  " << change.path() << ": " << change.message() << "\n";
    if (!change.hint().empty()) {
      out << "    " << change.hint() << "\n";
    }
  }
}

void Print(const std::vector<Applied>& all, bool is_dry_run, Session* session) {
  if (IsForScripts(session->options.output)) {
    Json json = Json::array();
    for (const Applied& applied : all) {
      json.push_back(ToJson(applied, is_dry_run));
    }
    PrintForScripts(all.size() == 1 ? json.front() : json, session);
  } else {
    for (const Applied& applied : all) {
      if (session->options.output == OutputFormat::kName) {
        session->streams.out << applied.name << "\n";
      } else {
        PrintAsText(applied, is_dry_run, session);
      }
    }
  }
  session->streams.out << std::flush;
}

}  // namespace

absl::Status Apply(Session* session) {
  const bool is_dry_run = session->options.dry_run;
  PGM_ASSIGN_OR_RETURN(const auto documents, LoadDocuments(session));
  PGM_ASSIGN_OR_RETURN(const auto all, ApplyAll(documents, is_dry_run, session));
  Print(all, is_dry_run, session);
  if (is_dry_run || !session->options.wait) {
    return absl::OkStatus();
  }
  for (const Applied& applied : all) {
    PGM_RETURN_IF_ERROR(WaitUntilHealthy(applied.name, session));
  }
  return absl::OkStatus();
}

absl::Status Diff(Session* session) {
  PGM_ASSIGN_OR_RETURN(const auto documents, LoadDocuments(session));
  PGM_ASSIGN_OR_RETURN(const auto all, ApplyAll(documents, true, session));
  Print(all, true, session);
  return absl::OkStatus();
}

}  // namespace pgmahout::cli
