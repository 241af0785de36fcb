// SPDX-License-Identifier: Apache-2.0
// node list, show, remove.
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/error.h"
#include "common/wire/nearest.h"
#include "controller/cli/output.h"
#include "controller/cli/table.h"
#include "controller/cli/verbs.h"

namespace pgmahout::cli {
namespace {

std::string ClusterText(const v1::Node& node) {
  return node.role() == "witness" ? absl::StrCat(node.cluster(), " (witness)") : node.cluster();
}

void PrintTable(const std::vector<v1::Node>& nodes, Session* session) {
  const bool is_wide = session->options.output == OutputFormat::kWide;
  std::vector<std::string> columns = {"NODE", "ADDRESS", "CLUSTER", "AGENT", "CONNECTED"};
  if (is_wide) {
    columns.insert(columns.end(), {"CERTIFICATE UNTIL", "JOINED"});
  }
  Table table(std::move(columns));
  for (const v1::Node& node : nodes) {
    std::vector<std::string> row = {node.name(), node.address(), ClusterText(node),
                                    node.agent_version(), node.connected() ? "yes" : "no"};
    if (is_wide) {
      row.push_back(TimeText(node.certificate_not_after_ms()));
      row.push_back(TimeText(node.joined_ms()));
    }
    table.AddRow(std::move(row));
  }
  session->streams.out << table.Render();
}

absl::StatusOr<v1::Node> FindNode(const std::string& name, Session* session) {
  PGM_ASSIGN_OR_RETURN(const v1::ListNodesResponse response,
                       session->Read(&AdminStub::ListNodes, v1::ListNodesRequest()));
  std::vector<std::string> names;
  for (const v1::Node& node : response.nodes()) {
    if (node.name() == name) {
      return node;
    }
    names.push_back(node.name());
  }
  const std::string nearest = NearestWord(name, names);
  return WithHint(absl::NotFoundError(absl::StrCat("node \"", name, "\" does not exist")),
                  nearest.empty() ? "See all: pgmahout node list"
                                  : absl::StrCat("Did you mean \"", nearest, "\"?"));
}

}  // namespace

absl::Status NodeList(Session* session) {
  PGM_ASSIGN_OR_RETURN(const v1::ListNodesResponse response,
                       session->Read(&AdminStub::ListNodes, v1::ListNodesRequest()));
  if (IsForScripts(session->options.output)) {
    Json json = Json::array();
    for (const v1::Node& node : response.nodes()) {
      json.push_back(ToJson(node));
    }
    PrintForScripts(json, session);
  } else if (session->options.output == OutputFormat::kName) {
    for (const v1::Node& node : response.nodes()) {
      session->streams.out << node.name() << "\n";
    }
  } else {
    PrintTable({response.nodes().begin(), response.nodes().end()}, session);
  }
  return absl::OkStatus();
}

absl::Status NodeShow(Session* session) {
  PGM_ASSIGN_OR_RETURN(const v1::Node node, FindNode(session->options.name, session));
  if (IsForScripts(session->options.output)) {
    PrintForScripts(ToJson(node), session);
  } else if (session->options.output == OutputFormat::kName) {
    session->streams.out << node.name() << "\n";
  } else {
    session->streams.out << node.name() << (node.connected() ? "  (connected)" : "  (away)") << "\n"
                         << "  Address      " << node.address() << "\n"
                         << "  Cluster      "
                         << (node.cluster().empty() ? "(none)" : node.cluster()) << "\n"
                         << "  Agent        " << node.agent_version() << "\n"
                         << "  Joined       " << TimeText(node.joined_ms()) << "\n"
                         << "  Certificate  until " << TimeText(node.certificate_not_after_ms())
                         << "\n";
  }
  return absl::OkStatus();
}

absl::Status NodeRemove(Session* session) {
  const std::string& name = session->options.name;
  PGM_ASSIGN_OR_RETURN(const v1::Node node, FindNode(name, session));
  const std::string what =
      absl::StrCat("removes node \"", name, "\": its certificate is refused from now on",
                   node.cluster().empty()
                       ? ""
                       : absl::StrCat(" (it is a member of cluster \"", node.cluster(), "\")"));
  if (session->options.dry_run) {
    session->streams.out << "This " << what << ".\nNothing was changed (--dry-run).\n";
    return absl::OkStatus();
  }
  PGM_RETURN_IF_ERROR(session->Confirm(what, name));
  v1::NodeRequest request;
  request.set_name(name);
  PGM_ASSIGN_OR_RETURN(const v1::ActionResponse response,
                       session->Call(&AdminStub::RemoveNode, request));
  session->streams.err << response.message() << "\n";
  return absl::OkStatus();
}

}  // namespace pgmahout::cli
