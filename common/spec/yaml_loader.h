// SPDX-License-Identifier: Apache-2.0
// Resources from YAML, strictly: what the schema does not know is an error with its place, and a
// later complaint of the server about "spec.placement.nodes[1]" still finds its line.
//
// Pure apart from the text it gets; yaml-cpp and its exceptions stay inside.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pgmahout/v1/resource.pb.h"

namespace pgmahout {

// Both count from 1, as editors do.
struct SourceMark {
  int line = 1;
  int column = 1;
};

// One "kind: Cluster" document of a file.
struct ClusterDocument {
  v1::Cluster cluster;
  std::string file;
  SourceMark start;
  std::map<std::string, SourceMark> marks;  // by path: "spec.placement.nodes[1]"

  // "FILE:LINE:COL" of `path`, or of the nearest thing around it that is in the file.
  std::string Locate(absl::string_view path) const;
};

struct YamlProblem {
  std::string where;    // "orders.yaml:7:5"
  std::string message;  // lower case, no full stop
  std::string hint;     // sentences; may be empty
};

// All documents of `text`; empty ones are skipped and a top-level "status" is ignored, so that what
// other commands print can be applied again. `file` is the name for messages.
// InvalidArgument when anything is wrong; `problems` (may be null) then has all of it, in the order
// of the file. At most 1 MiB, 32 levels and 100,000 values.
absl::StatusOr<std::vector<ClusterDocument>> LoadYaml(absl::string_view text,
                                                      const std::string& file,
                                                      std::vector<YamlProblem>* problems);

// The fields that are set, as a document that LoadYaml reads back.
std::string ToYaml(const v1::Cluster& cluster);

// Other YAML readers would take `text`, without quotes, for a number, a truth value or nothing.
bool NeedsYamlQuotes(const std::string& text);

}  // namespace pgmahout
