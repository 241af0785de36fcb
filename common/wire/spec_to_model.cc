// SPDX-License-Identifier: Apache-2.0
// A cluster's spec as a whole: identity, placement, and the order in which the sections are read.
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/pg/names.h"
#include "common/wire/convert.h"
#include "common/wire/spec_parts.h"

namespace pgmahout {
namespace {

constexpr int kNodesMax = 9;
constexpr int kLabelsMax = 64;

// They end up in tables and in other tools' selectors, so the limits are those that are known from
// there.
void ReadLabels(const v1::Metadata& proto, ClusterSpec* spec, Violations* violations) {
  if (proto.labels_size() > kLabelsMax) {
    violations->Add("metadata.labels", absl::StrCat("too many labels: ", proto.labels_size()),
                    absl::StrCat("A cluster has at most ", kLabelsMax, " labels."));
    return;
  }
  for (const auto& [key, value] : proto.labels()) {
    violations->AddIfError(absl::StrCat("metadata.labels.", absl::CHexEscape(key)),
                           CheckLabel(key, value));
    spec->labels.emplace(key, value);
  }
}

void ReadMetadata(const v1::Cluster& proto, ClusterSpec* spec, Violations* violations) {
  if (proto.api_version().empty()) {
    violations->Add("apiVersion", "apiVersion is missing", "Write apiVersion: pgmahout/v1.");
  } else {
    violations->CheckWord("apiVersion", proto.api_version(), {"pgmahout/v1"});
  }
  if (proto.kind().empty()) {
    violations->Add("kind", "kind is missing", "Write kind: Cluster.");
  } else {
    violations->CheckWord("kind", proto.kind(), {"Cluster"});
  }
  spec->name = proto.metadata().name();
  violations->AddIfError("metadata.name", CheckObjectName("cluster name", spec->name));
  if (!proto.metadata().tenant().empty()) {
    spec->tenant = proto.metadata().tenant();
    violations->AddIfError("metadata.tenant", CheckObjectName("tenant", spec->tenant));
  }
  ReadLabels(proto.metadata(), spec, violations);
}

void ReadPlacement(const v1::Placement& proto, ClusterSpec* spec, Violations* violations) {
  const std::string path = "spec.placement.nodes";
  if (proto.nodes().empty()) {
    violations->Add(path, "a cluster needs at least one node",
                    "List its VMs: nodes: [db1, db2, db3].");
  }
  if (proto.nodes_size() > kNodesMax) {
    violations->Add(path, absl::StrCat("too many nodes: ", proto.nodes_size()),
                    absl::StrCat("A cluster has at most ", kNodesMax, " nodes."));
  }
  std::set<std::string> seen;
  for (int i = 0; i < proto.nodes_size(); ++i) {
    const std::string& node = proto.nodes(i);
    const std::string node_path = absl::StrCat(path, "[", i, "]");
    violations->AddIfError(node_path, CheckObjectName("node name", node));
    if (!seen.insert(node).second) {
      violations->Add(node_path, absl::StrCat("node \"", node, "\" is listed twice"),
                      "List each node once: it holds one copy of the data.");
    }
    spec->nodes.push_back(node);
  }
  spec->witness = proto.witness();
}

// A witness where it could do nothing is a misunderstanding.
void CheckWitness(const ClusterSpec& spec, Violations* violations) {
  const std::string path = "spec.placement.witness";
  if (spec.witness.empty()) {
    return;
  }
  violations->AddIfError(path, CheckObjectName("node name", spec.witness));
  if (std::find(spec.nodes.begin(), spec.nodes.end(), spec.witness) != spec.nodes.end()) {
    violations->Add(path, absl::StrCat("the witness \"", spec.witness, "\" is a member too"),
                    "A witness has no PostgreSQL and must not share the fate of a member: name a "
                    "node of its own.");
  } else if (spec.nodes.size() != 2) {
    violations->Add(path,
                    absl::StrCat("a cluster of ", spec.nodes.size(), " has no use for a witness"),
                    "It helps a cluster of two only. With three or more, standbys are witnesses; a "
                    "single node needs none.");
  }
  if (spec.synchronous.durability == DataDurability::kRequired) {
    violations->Add(path, "a witness is of no use with dataDurability: required",
                    "It lets a primary go on without its standby, which `required` forbids. Leave "
                    "it out, or set dataDurability: preferred.");
  }
}

}  // namespace

absl::StatusOr<ClusterSpec> ToModel(const v1::Cluster& cluster,
                                    std::vector<SpecViolation>* violations) {
  ClusterSpec spec;
  Violations found;
  ReadMetadata(cluster, &spec, &found);
  ReadPlacement(cluster.spec().placement(), &spec, &found);
  ReadPostgresql(cluster.spec().postgresql(), &spec, &found);
  ReadSynchronous(cluster.spec().synchronous(), &spec, &found);
  CheckWitness(spec, &found);
  ReadFailover(cluster.spec().failover(), &spec, &found);
  ReadDns(cluster.spec().dns(), &spec, &found);
  ReadArchive(cluster.spec().archive(), &spec, &found);
  ReadDatabases(cluster.spec(), &spec, &found);
  ReadRoles(cluster.spec(), &spec, &found);
  if (violations != nullptr) {
    *violations = found.all();
  }
  PGM_RETURN_IF_ERROR(StatusOf(found.all()));
  return spec;
}

std::string SerializeSpec(const ClusterSpec& spec) {
  std::string json;
  // Cannot fail: every string of a checked spec is UTF-8.
  (void)google::protobuf::util::MessageToJsonString(ToProto(spec), &json);
  return json;
}

absl::StatusOr<ClusterSpec> ParseSpec(absl::string_view serialized) {
  v1::Cluster cluster;
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(std::string(serialized), &cluster);
  if (!parsed.ok()) {
    return WithInfo(absl::DataLossError("cannot read a stored spec"),
                    ErrorInfo{"broken-spec", std::string(parsed.message()),
                              "The store was changed or damaged; apply the spec again."});
  }
  return ToModel(cluster, nullptr);
}

}  // namespace pgmahout
