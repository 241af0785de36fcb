// SPDX-License-Identifier: Apache-2.0
// cluster list, show, delete, credentials; watch.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/spec/yaml_loader.h"
#include "controller/cli/output.h"
#include "controller/cli/show.h"
#include "controller/cli/table.h"
#include "controller/cli/verbs.h"
#include "controller/cli/wait.h"

namespace pgmahout::cli {
namespace {

v1::ClusterRequest RequestFor(const Session& session) {
  v1::ClusterRequest request;
  request.set_name(session.options.name);
  return request;
}

std::string DnsState(const v1::ClusterStatus& status) {
  if (status.dns().primary().empty()) {
    return "";
  }
  return status.dns().in_sync() ? "in sync" : "not in sync";
}

std::vector<std::string> ListRow(const v1::ClusterStatus& status, bool is_wide) {
  const auto connected =
      std::count_if(status.members().begin(), status.members().end(),
                    [](const v1::MemberStatus& member) { return member.agent_connected(); });
  std::vector<std::string> row = {status.name(),
                                  status.phase(),
                                  status.primary(),
                                  absl::StrCat(status.epoch()),
                                  absl::StrCat(status.timeline()),
                                  absl::StrCat(connected, "/", status.members_size()),
                                  DnsState(status)};
  if (is_wide) {
    row.push_back(status.tenant());
    row.push_back(status.phase_reason());
  }
  return row;
}

absl::Status ShowSpec(Session* session) {
  PGM_ASSIGN_OR_RETURN(const v1::Cluster spec,
                       session->Read(&AdminStub::GetClusterSpec, RequestFor(*session)));
  session->streams.out << ToYaml(spec);
  return absl::OkStatus();
}

}  // namespace

absl::Status ClusterList(Session* session) {
  PGM_ASSIGN_OR_RETURN(const v1::ListClustersResponse response,
                       session->Read(&AdminStub::ListClusters, v1::ListClustersRequest()));
  const OutputFormat format = session->options.output;
  if (IsForScripts(format)) {
    Json json = Json::array();
    for (const v1::ClusterStatus& status : response.clusters()) {
      json.push_back(ToJson(status));
    }
    PrintForScripts(json, session);
    return absl::OkStatus();
  }
  const bool is_wide = format == OutputFormat::kWide;
  std::vector<std::string> columns = {"NAME", "PHASE", "PRIMARY", ">EPOCH", ">TL", "AGENTS", "DNS"};
  if (is_wide) {
    columns.insert(columns.end(), {"TENANT", "REASON"});
  }
  Table table(std::move(columns));
  for (const v1::ClusterStatus& status : response.clusters()) {
    if (format == OutputFormat::kName) {
      session->streams.out << status.name() << "\n";
    }
    table.AddRow(ListRow(status, is_wide));
  }
  if (format != OutputFormat::kName) {
    session->streams.out << table.Render();
  }
  return absl::OkStatus();
}

absl::Status ClusterShow(Session* session) {
  if (session->options.spec_only) {
    return ShowSpec(session);
  }
  PGM_ASSIGN_OR_RETURN(const v1::ClusterStatus status,
                       session->Read(&AdminStub::GetCluster, RequestFor(*session)));
  if (IsForScripts(session->options.output)) {
    PrintForScripts(ToJson(status), session);
    return absl::OkStatus();
  }
  if (session->options.output == OutputFormat::kName) {
    session->streams.out << status.name() << "\n";
    return absl::OkStatus();
  }
  // A person who may see the status but not the spec still gets the picture.
  const auto spec = session->Read(&AdminStub::GetClusterSpec, RequestFor(*session));
  session->streams.out << RenderCluster(status, spec.ok() ? &*spec : nullptr,
                                        session->options.output == OutputFormat::kWide);
  return absl::OkStatus();
}

absl::Status ClusterDelete(Session* session) {
  const std::string& name = session->options.name;
  PGM_ASSIGN_OR_RETURN(const v1::ClusterStatus status,
                       session->Read(&AdminStub::GetCluster, RequestFor(*session)));
  const std::string nodes =
      absl::StrJoin(status.members(), ", ", [](std::string* out, const v1::MemberStatus& member) {
        absl::StrAppend(out, member.node());
      });
  const std::string what =
      absl::StrCat("deletes cluster \"", name, "\": nobody guards it any more; PostgreSQL and its ",
                   "data stay where they are (", nodes, ")");
  if (session->options.dry_run) {
    session->streams.out << "This " << what << ".\nNothing was changed (--dry-run).\n";
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(session->Confirm(what, name));
  v1::DeleteClusterRequest request;
  request.set_name(name);
  PGM_ASSIGN_OR_RETURN(const v1::ActionResponse response,
                       session->Call(&AdminStub::DeleteCluster, request));
  session->streams.err << response.message() << "\n";
  return absl::OkStatus();
}

absl::Status ClusterCredentials(Session* session) {
  v1::CredentialRequest request;
  request.set_cluster(session->options.name);
  request.set_role(session->options.role);
  PGM_ASSIGN_OR_RETURN(const v1::CredentialResponse response,
                       session->Read(&AdminStub::GetCredential, request));
  if (IsForScripts(session->options.output)) {
    Json json;
    json["cluster"] = session->options.name;
    json["role"] = session->options.role;
    json["password"] = response.password();
    PrintForScripts(json, session);
    return absl::OkStatus();
  }
  session->streams.out << response.password() << "\n";
  return absl::OkStatus();
}

absl::Status Watch(Session* session) {
  const bool is_json = session->options.output == OutputFormat::kJson;
  std::string last_seen;
  const auto show = [&](const v1::ClusterStatus& status) {
    const std::string seen =
        is_json ? ToJson(status).dump(-1, ' ', false, Json::error_handler_t::replace)
                : DescribePhase(status);
    if (seen != last_seen) {
      if (!is_json) {
        session->streams.out << FormatWallTime(SystemClock().WallMilliseconds()) << "  ";
      }
      session->streams.out << seen << std::endl;
      last_seen = seen;
    }
    return session->streams.out.good();
  };
  return WatchCluster(session->options.name, show, session);
}

}  // namespace pgmahout::cli
